import { likedProduct } from "../../search/likes";
import { FEATURES, type Part, type Query } from "../../search/query";
import type { Translate } from "./messages";

/** What a part is called, whatever its weight. */
export function partName(part: Part, t: Translate): string {
  if (part.kind === "text") return part.text;
  if (part.kind === "photo") return t(part.garment ? `part.photo.${part.garment}` : "part.photo");
  return t("part.like", { name: likedProduct(part.productId).value?.name || part.productId });
}

/** A search in a few words, for the window's title and for screen readers; empty for the whole catalogue. */
export function titleOf(query: Query, t: Translate): string {
  const parts = [
    query.text.trim(),
    ...query.parts.map((part) => {
      const name = partName(part, t);
      return part.weight < 0 ? t("part.not", { text: name }) : name;
    }),
    ...FEATURES.flatMap((feature) => query.filters[feature] ?? []),
  ];
  return parts.filter(Boolean).join(", ");
}
