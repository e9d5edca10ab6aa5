import type { VNode } from "preact";
import { attributeTexts, type Match } from "../api/match";
import { t } from "../i18n";
import { Link, productUrl } from "../router";
import { HowClose } from "./HowClose";
import { Icon } from "./Icon";
import { PictureStrip } from "./PictureStrip";
import "./grid.css";
import "./product-card.css";

interface ProductCardProps {
  result: Match;
  /** Adds the product to what is searched for. */
  onLike?: (productId: string) => void;
  /** Above the fold: its picture is fetched at once. */
  eager?: boolean;
}

/** A product in a grid: its photographs, its name, how near it is. */
export function ProductCard({ result, onLike, eager }: ProductCardProps): VNode {
  const { product } = result;
  const name = product.name || t("card.unnamed", { id: product.productId });
  const about = ["colour", "category"]
    .map((field) => attributeTexts(product, field).join(", "))
    .filter(Boolean);
  return (
    <article class="card" data-product={product.productId}>
      <Link class="card-link" href={productUrl(product.productId)}>
        <PictureStrip images={product.images} first={result.bestImage} eager={eager} />
        <h3 class="card-name">{name}</h3>
        {about.length > 0 && <p class="card-about">{about.join(" · ")}</p>}
      </Link>
      <HowClose match={result} />
      {onLike && (
        <button
          type="button"
          class="card-like"
          aria-label={t("card.likeNamed", { name })}
          title={t("card.like")}
          onClick={() => onLike(product.productId)}
        >
          <Icon name="alike" size={18} />
          <span aria-hidden="true">{t("card.like")}</span>
        </button>
      )}
    </article>
  );
}
