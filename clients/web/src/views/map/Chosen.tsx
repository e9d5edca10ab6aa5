import type { VNode } from "preact";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { t, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Picture } from "../../parts/Picture";
import { Link, productUrl } from "../../router";
import type { Neighbourhood } from "./labels";
import { messages } from "./messages";
import type { Pointed } from "./stage";

interface ChosenProps {
  productId: string;
  /** Undefined while it is on its way; null: it is there no more. */
  product: Product | null | undefined;
  cluster: Neighbourhood | undefined;
  onClose: () => void;
}

/** The product that was chosen on the map, and where to go from it. */
export function Chosen({ productId, product, cluster, onClose }: ChosenProps): VNode {
  const m = useMessages(messages);
  const name = product?.name || t("card.unnamed", { id: productId });
  const words = cluster?.words.join(" ") ?? "";
  return (
    <section class="map-chosen" aria-label={m("chosen")} data-product={productId}>
      <div class="map-chosen-picture">
        {product && <Picture image={product.images[0]} side={320} alt="" eager />}
      </div>
      <div class="map-chosen-about">
        <h2>{product === null ? name : <Link href={productUrl(productId)}>{name}</Link>}</h2>
        {product === null && <p>{m("gone")}</p>}
        <div class="map-chosen-ways">
          {product !== null && (
            <>
              <Link class="button small primary" href={productUrl(productId)}>
                {m("open")}
              </Link>
              <Link class="button small" href={`/?${new URLSearchParams({ like: productId })}`}>
                <Icon name="alike" size={16} />
                {m("like")}
              </Link>
            </>
          )}
          {words && (
            <Link class="map-chosen-area" href={`/?${new URLSearchParams({ q: words })}`}>
              {m("area", { words: cluster?.words.join(", ") ?? "" })}
            </Link>
          )}
        </div>
      </div>
      <button type="button" class="icon-button" aria-label={t("action.close")} onClick={onClose}>
        <Icon name="close" size={18} />
      </button>
    </section>
  );
}

/** What is under the mouse: a picture and a name beside it. */
export function Hovered({ product, pointed }: { product: Product; pointed: Pointed }): VNode {
  const { at, reachPx, onRight } = pointed;
  const left = onRight ? at.x - reachPx : at.x + reachPx;
  return (
    // For the mouse only: the same is in the card of a chosen product.
    <div
      class={onRight ? "map-hovered left" : "map-hovered"}
      aria-hidden="true"
      style={{ left: `${left}px`, top: `${at.y}px` }}
    >
      <div class="map-hovered-picture">
        <Picture image={product.images[0]} side={160} alt="" eager />
      </div>
      <p>{product.name || t("card.unnamed", { id: product.productId })}</p>
    </div>
  );
}
