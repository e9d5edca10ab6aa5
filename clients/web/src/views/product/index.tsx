import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { announce } from "../../announce";
import { search } from "../../api/clients";
import { focusView } from "../../focus";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { t, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Notice } from "../../parts/Notice";
import { Skeleton } from "../../parts/Skeleton";
import { Link, productUrl, route } from "../../router";
import { useAnswer } from "../answer";
import { useTitle } from "../title";
import { Alternatives, searchWith } from "./Alternatives";
import { Attributes } from "./Attributes";
import { Gallery } from "./Gallery";
import { messages } from "./messages";
import { OtherColours } from "./OtherColours";
import "./product.css";

/** A product's own page. */
export default function ProductPage(): VNode {
  const { productId } = route.value;
  const [answer, again] = useAnswer(productId, async (signal) => {
    return (await search.getProduct({ productId }, { signal })).product;
  });
  const product = answer.state === "ready" ? answer.value : undefined;
  const title = product ? nameOf(product) : productId;
  useTitle(title);
  // From product to product the view stays, but what had the focus is gone.
  const before = useRef(productId);
  useEffect(() => {
    if (before.current !== productId) focusView();
    before.current = productId;
  }, [productId]);

  if (answer.state === "failed") {
    if (answer.error.reason === "PRODUCT_NOT_FOUND") return <Missing productId={productId} />;
    return (
      <div class="page">
        <h1 class="visually-hidden">{title}</h1>
        <Notice error={answer.error} onRetry={again} />
      </div>
    );
  }
  if (!product) return <Waiting />;
  return (
    <div class="page product" key={productId}>
      <div class="product-top">
        <Gallery images={product.images} name={title} />
        <div class="product-about">
          <h1>{title}</h1>
          <Actions product={product} />
          <Attributes product={product} />
          <FailedImages count={product.imageFailures.length} />
        </div>
      </div>
      <Alternatives product={product} />
      <OtherColours product={product} />
    </div>
  );
}

function Actions({ product }: { product: Product }): VNode {
  const m = useMessages(messages);
  const copied = useSignal<"" | "copied" | "copy.failed">("");
  const copy = async (): Promise<void> => {
    const link = new URL(productUrl(product.productId) + location.search, location.origin).href;
    try {
      await navigator.clipboard.writeText(link);
      copied.value = "copied";
    } catch {
      // Without permission, or on a page without TLS, browsers refuse.
      copied.value = "copy.failed";
    }
    announce(m(copied.value));
  };
  return (
    <div class="product-actions">
      <button type="button" class="button primary" onClick={() => searchWith(product.productId)}>
        <Icon name="search" size={18} />
        {m("like")}
      </button>
      <button type="button" class="button" onClick={copy}>
        <Icon name={copied.value === "copied" ? "check" : "link"} size={18} />
        {m("copy")}
      </button>
      {copied.value && <p class="product-copied">{m(copied.value)}</p>}
    </div>
  );
}

function FailedImages({ count }: { count: number }): VNode | null {
  const m = useMessages(messages);
  return count > 0 ? <p class="product-failed">{m("failed.images", { count })}</p> : null;
}

function Missing({ productId }: { productId: string }): VNode {
  const m = useMessages(messages);
  return (
    <div class="page product-missing">
      <h1>{m("missing.title")}</h1>
      <p class="lead">{m("missing.text", { id: productId })}</p>
      <Link class="button primary" href="/">
        {m("missing.search")}
      </Link>
    </div>
  );
}

function Waiting(): VNode {
  return (
    <div class="page product" aria-busy="true">
      <p class="visually-hidden">{t("view.loading")}</p>
      <div class="product-top" aria-hidden="true">
        <div class="gallery">
          <Skeleton shape="picture" />
        </div>
        <div class="product-about">
          <Skeleton shape="line" />
          <Skeleton shape="short" />
          <Skeleton shape="line" />
          <Skeleton shape="line" />
        </div>
      </div>
    </div>
  );
}

function nameOf(product: Product): string {
  return product.name || t("card.unnamed", { id: product.productId });
}
