import { computed, effect, signal } from "@preact/signals";
import { search } from "../api/clients";
import { route } from "../router";
import { FEATURES, type Feature, type Filters } from "./query";
import { filterOf } from "./request";
import { query } from "./state";

/** A value of a feature with the products that choosing it would show. */
export interface FacetValue {
  value: string;
  count: number;
}

export interface Facet {
  feature: Feature;
  values: FacetValue[];
}

const MOST_VALUES = 60;

/** What the catalogue has, under the filters that are set; null until it is known. */
export const facets = signal<Facet[] | null>(null);

/** The filters only: words and photographs rank, and change no counts. */
const filters = computed(() => JSON.stringify(query.value.filters));

let running: AbortController | undefined;

/** Counts whenever the filters change, and on every return to the search. */
export function startFacets(): void {
  const shown = computed(() => route.value.view === "search");
  effect(() => {
    if (!shown.value) return;
    void filters.value;
    void count(query.peek().filters);
  });
}

async function count(chosen: Filters): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  try {
    const response = await search.listFacets(
      { fields: [...FEATURES], filter: filterOf(chosen), maxValues: MOST_VALUES },
      { signal: mine.signal },
    );
    if (mine.signal.aborted) return;
    facets.value = FEATURES.map((feature) => ({
      feature,
      values: (response.facets.find((facet) => facet.field === feature)?.values ?? []).flatMap(
        ({ value, productCount }) =>
          value?.kind.case === "stringValue"
            ? [{ value: value.kind.value, count: Number(productCount) }]
            : [],
      ),
    }));
  } catch {
    // The search of the same moment tells what is wrong; older counts are better than none.
  }
}

/** The values that are shown: chosen ones stay even where nothing has them any more. */
export function valuesShown(facet: Facet, chosen: readonly string[]): FacetValue[] {
  const known = new Set(facet.values.map(({ value }) => value.toLowerCase()));
  const lost = chosen.filter((value) => !known.has(value.trim().toLowerCase()));
  return [...facet.values, ...lost.map((value) => ({ value, count: 0 }))];
}
