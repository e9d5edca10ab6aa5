import type { VNode } from "preact";
import { search } from "../../api/clients";
import { type Match, toMatches } from "../../api/match";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { t, useMessages } from "../../i18n";
import { HowClose } from "../../parts/HowClose";
import { Notice } from "../../parts/Notice";
import { Picture } from "../../parts/Picture";
import { ProductCard } from "../../parts/ProductCard";
import { CardSkeletons } from "../../parts/Skeleton";
import { Link, navigate, productUrl, route } from "../../router";
import { useAnswer } from "../answer";
import { useScrollBack } from "../scroll-back";
import { COUNTS, countFrom, garmentChoices, garmentFrom, garmentOf, withChoice } from "./choices";
import { messages } from "./messages";
import "./alternatives.css";

/** The closest match with all its photographs, and as many more as people ask for. */
export function Alternatives({ product }: { product: Product }): VNode {
  const m = useMessages(messages);
  const { params } = route.value;
  const count = countFrom(params);
  const garment = garmentFrom(params);
  const { productId } = product;
  const [answer, again] = useAnswer(`${productId} ${count} ${garment}`, async (signal) => {
    const request = { productId, k: count + 1, garment: garmentOf(garment) };
    const response = await search.findSimilarProducts(request, { signal });
    return { matches: toMatches(response), weak: response.noGoodMatch ?? false };
  });
  // The page has its full height only with these.
  useScrollBack(answer.state !== "loading");

  return (
    <section class="alternatives" aria-labelledby="similar-title" aria-busy={answer.state === "loading"}>
      <div class="alternatives-head">
        <h2 id="similar-title">{m("similar")}</h2>
        <Choices product={product} />
      </div>
      {answer.state === "loading" && <CardSkeletons count={count} />}
      {answer.state === "failed" && <Notice error={answer.error} onRetry={again} />}
      {answer.state === "ready" && <Found {...answer.value} />}
    </section>
  );
}

function Found({ matches, weak }: { matches: readonly Match[]; weak: boolean }): VNode {
  const m = useMessages(messages);
  const [best, ...others] = matches;
  if (!best) return <p class="lead">{m("similar.none")}</p>;
  return (
    <>
      {weak && <p class="lead">{m("similar.weak")}</p>}
      <Best match={best} />
      {others.length > 0 && (
        <>
          <h3 class="alternatives-sub">{m("others", { count: others.length })}</h3>
          <ul class="grid">
            {others.map((match) => (
              <li key={match.product.productId}>
                <ProductCard result={match} onLike={searchWith} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Best({ match }: { match: Match }): VNode {
  const m = useMessages(messages);
  const { product } = match;
  const name = product.name || t("card.unnamed", { id: product.productId });
  return (
    <article class="best" data-product={product.productId}>
      <div class="best-about">
        <p class="best-kicker">{m("best")}</p>
        <h3>
          <Link href={productUrl(product.productId)}>{name}</Link>
        </h3>
        <HowClose match={match} />
      </div>
      <ul class="best-pictures">
        {product.images.map((image, index) => (
          <li key={`${index} ${image.sha256}`}>
            <Link
              href={productUrl(product.productId)}
              aria-label={`${name}, ${t("card.view", { index: index + 1, count: product.images.length })}`}
            >
              <Picture image={image} side={320} alt="" />
            </Link>
          </li>
        ))}
      </ul>
    </article>
  );
}

function Choices({ product }: { product: Product }): VNode {
  const m = useMessages(messages);
  const { params } = route.value;
  const count = countFrom(params);
  const garment = garmentFrom(params);
  const garments = garmentChoices(product);
  const choose = (name: "k" | "garment", value: string | undefined): void => {
    navigate(productUrl(product.productId) + withChoice(params, name, value), {
      replace: true,
      keepScroll: true,
    });
  };
  return (
    <div class="alternatives-choices">
      {garments.length > 0 && (
        <fieldset class="segments" aria-label={m("similar.garment")}>
          {[undefined, ...garments].map((choice) => (
            <button
              key={choice ?? "own"}
              type="button"
              aria-pressed={choice === garment}
              onClick={() => choose("garment", choice)}
            >
              {choice ? t(`garment.${choice}`) : m("similar.own")}
            </button>
          ))}
        </fieldset>
      )}
      <fieldset class="segments" aria-label={m("similar.count")}>
        {COUNTS.map((choice) => (
          <button
            key={choice}
            type="button"
            aria-pressed={choice === count}
            onClick={() => choose("k", String(choice))}
          >
            {choice}
          </button>
        ))}
      </fieldset>
    </div>
  );
}

/** Begins a search by a product. */
export function searchWith(productId: string): void {
  navigate(`/?${new URLSearchParams({ like: productId })}`);
}
