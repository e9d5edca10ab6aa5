import type { ListFacetsResponse } from "../gen/lookalike/gateway/v1/search_pb";
import { FEATURES, type Feature } from "./query";

/** A value of a feature with the products that choosing it would show. */
export interface FacetValue {
  value: string;
  count: number;
}

export interface Facet {
  feature: Feature;
  values: FacetValue[];
}

/** The features of an answer in the page's order; values that are no text cannot be chosen here. */
export function facetsOf(response: Pick<ListFacetsResponse, "facets">): Facet[] {
  return FEATURES.map((feature) => ({
    feature,
    values: (response.facets.find((facet) => facet.field === feature)?.values ?? []).flatMap(
      ({ value, productCount }) =>
        value?.kind.case === "stringValue" ? [{ value: value.kind.value, count: Number(productCount) }] : [],
    ),
  }));
}

/** The values that are shown: chosen ones stay even where nothing has them any more. */
export function valuesShown(facet: Facet, chosen: readonly string[]): FacetValue[] {
  const known = new Set(facet.values.map(({ value }) => value.toLowerCase()));
  const lost = chosen.filter((value) => !known.has(value.trim().toLowerCase()));
  return [...facet.values, ...lost.map((value) => ({ value, count: 0 }))];
}
