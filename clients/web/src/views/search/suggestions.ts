import type { Facet } from "../../search/facet-values";

const MOST = 4;

/**
 * Searches worth trying in this catalogue, made of what it has most of: a colour and a kind of clothing
 * each, none twice.
 */
export function suggestionsFrom(facets: readonly Facet[]): string[] {
  const valuesOf = (feature: string): string[] =>
    (facets.find((facet) => facet.feature === feature)?.values ?? []).map(({ value }) => value.toLowerCase());
  const colours = [...new Set(valuesOf("colour"))];
  const kinds = [...new Set(valuesOf("category"))].filter((kind) => !kind.includes("&"));
  return kinds.slice(0, MOST).map((kind, index) => {
    const colour = colours[index % Math.max(1, colours.length)];
    return colour ? `${colour} ${kind}` : kind;
  });
}
