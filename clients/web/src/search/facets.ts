import { computed, effect, signal } from "@preact/signals";
import { search } from "../api/clients";
import { route } from "../router";
import { type Facet, facetsOf } from "./facet-values";
import { FEATURES } from "./query";
import { filterOf } from "./request";
import { results } from "./results";
import { query } from "./state";

const MOST_VALUES = 60;

/** What the catalogue has, under the filters that are set; null until it is known. */
export const facets = signal<Facet[] | null>(null);

/** The filters only: words and photographs rank, and change no counts. */
const filters = computed(() => JSON.stringify(query.value.filters));

let running: AbortController | undefined;
/** The last count failed. */
let missed = false;

/** Counts whenever the filters change, and on every return to the search. */
export function startFacets(): void {
  const shown = computed(() => route.value.view === "search");
  effect(() => {
    if (!shown.value) return;
    void filters.value;
    void count();
  });
  effect(() => {
    // A search that is answered tells that the server is back.
    if (results.value && missed && shown.peek()) void count();
  });
}

async function count(): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  missed = false;
  try {
    const response = await search.listFacets(
      { fields: [...FEATURES], filter: filterOf(query.peek().filters), maxValues: MOST_VALUES },
      { signal: mine.signal },
    );
    if (!mine.signal.aborted) facets.value = facetsOf(response);
  } catch {
    // The search of the same moment tells what is wrong; older counts are better than none.
    missed = !mine.signal.aborted;
  }
}
