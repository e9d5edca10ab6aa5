import type { VNode } from "preact";
import { search } from "../../api/clients";
import { toMatches } from "../../api/match";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { useMessages } from "../../i18n";
import { ProductCard } from "../../parts/ProductCard";
import { useAnswer } from "../answer";
import { searchWith } from "./Alternatives";
import { otherColours, sameCut } from "./choices";
import { messages } from "./messages";

const MOST = 10;

/**
 * The same thing in other colours. An addition: where there is none, or it cannot be asked for, the
 * page says nothing of it.
 */
export function OtherColours({ product }: { product: Product }): VNode | null {
  const m = useMessages(messages);
  const [answer] = useAnswer(product.productId, async (signal) => {
    const filter = otherColours(product);
    if (!filter) return [];
    const response = await search.findSimilarProducts(
      { productId: product.productId, k: MOST, filter },
      { signal },
    );
    return sameCut(toMatches(response));
  });
  if (answer.state !== "ready" || answer.value.length === 0) return null;
  return (
    <section class="alternatives" aria-labelledby="colours-title">
      <div class="alternatives-head">
        <h2 id="colours-title">{m("colours")}</h2>
      </div>
      <ul class="grid">
        {answer.value.map((match) => (
          <li key={match.product.productId}>
            <ProductCard result={match} onLike={searchWith} />
          </li>
        ))}
      </ul>
    </section>
  );
}
