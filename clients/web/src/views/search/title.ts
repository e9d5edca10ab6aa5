import { FEATURES, type Query } from "../../search/query";
import type { Translate } from "./messages";

/** A search in a few words, for the window's title and for screen readers; empty for the whole catalogue. */
export function titleOf(query: Query, t: Translate): string {
  const parts = [
    query.text.trim(),
    ...query.parts.map((part) => {
      if (part.kind === "photo") return t("part.photo");
      if (part.kind === "like") return t("part.like", { name: part.productId });
      return part.weight < 0 ? t("part.not", { text: part.text }) : part.text;
    }),
    ...FEATURES.flatMap((feature) => query.filters[feature] ?? []),
  ];
  return parts.filter(Boolean).join(", ");
}
