import { effect, signal } from "@preact/signals";
import { search } from "../api/clients";
import { type AppError, toAppError } from "../api/errors";
import { type Match, toMatches } from "../api/match";
import type { PartReport } from "../gen/lookalike/gateway/v1/search_pb";
import { find, isAtHand } from "../photo/store";
import { route, scrollToRestore } from "../router";
import type { Query } from "./query";
import { partsOf, requestOf } from "./request";
import { query } from "./state";
import { urlOf } from "./url";

/** The answer that is shown. */
export interface Results {
  /** The search that it answers. */
  of: Query;
  matches: Match[];
  nextPageToken: string;
  candidateCount: number;
  noGoodMatch: boolean;
  /** True if the products are in an order of nearness. */
  ranked: boolean;
  reports: PartReport[];
  /** Photographs of the link that this browser does not have. */
  missingPhotos: string[];
}

/** What was found last; it stays while something new is looked for. */
export const results = signal<Results | null>(null);
/** What is being waited for. */
export const waiting = signal<"nothing" | "first" | "more">("nothing");
/** Why the last call failed. */
export const failure = signal<AppError | null>(null);

let running: AbortController | undefined;
/** The photographs of what is shown: a next page needs them again. */
let photos: ReadonlyMap<string, Uint8Array> = new Map();

/** Searches whenever what is searched for changes. */
export function startResults(): void {
  let asked = "";
  effect(() => {
    if (route.value.view !== "search") {
      giveUp();
      asked = "";
      return;
    }
    const wanted = query.value;
    const url = urlOf(wanted);
    const same = url === asked;
    asked = url;
    const known = results.peek();
    const answered = known !== null && urlOf(known.of) === url;
    // A photograph of the link was missing and has been given: the address is the same, the answer is not.
    const given = answered && known.missingPhotos.some(isAtHand);
    if (failure.peek() || given) void findFirst(wanted);
    else if (same) return;
    // Going back to what is still there: it is shown as it was left.
    else if (answered && scrollToRestore.peek() !== null) giveUp();
    else void findFirst(wanted);
  });
}

/** Wants no answer to the call that runs any more. */
function giveUp(): void {
  running?.abort();
  waiting.value = "nothing";
}

/** Does the last call again. */
export function again(): void {
  if (waiting.peek() !== "nothing") return;
  const known = results.peek();
  if (known && urlOf(known.of) === urlOf(query.peek()) && known.nextPageToken) void findMore();
  else void findFirst(query.peek());
}

async function findFirst(wanted: Query): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  waiting.value = "first";
  try {
    const read = await readPhotos(wanted);
    if (mine.signal.aborted) return;
    const response = await search.searchProducts(requestOf(wanted, read.bytes, ""), { signal: mine.signal });
    if (mine.signal.aborted) return;
    photos = read.bytes;
    results.value = {
      of: wanted,
      matches: toMatches(response),
      nextPageToken: response.nextPageToken,
      candidateCount: Number(response.candidateCount),
      noGoodMatch: response.noGoodMatch ?? false,
      ranked: response.embeddingVersion !== "",
      reports: response.partReports,
      missingPhotos: read.missing,
    };
    failure.value = null;
    waiting.value = "nothing";
  } catch (thrown) {
    fail(thrown, mine.signal);
  }
}

/** Adds the next page to what is shown. */
export async function findMore(): Promise<void> {
  const known = results.peek();
  if (!known?.nextPageToken || waiting.peek() !== "nothing") return;
  // What is shown may still be the answer to the search before, where the newest one failed.
  if (urlOf(known.of) !== urlOf(query.peek())) return;
  const mine = new AbortController();
  running = mine;
  waiting.value = "more";
  try {
    const response = await search.searchProducts(requestOf(known.of, photos, known.nextPageToken), {
      signal: mine.signal,
    });
    if (mine.signal.aborted) return;
    // A product that was changed meanwhile may come twice.
    const shown = new Set(known.matches.map((match) => match.product.productId));
    const fresh = toMatches(response).filter((match) => !shown.has(match.product.productId));
    results.value = {
      ...known,
      matches: [...known.matches, ...fresh],
      nextPageToken: response.nextPageToken,
    };
    failure.value = null;
    waiting.value = "nothing";
  } catch (thrown) {
    const error = fail(thrown, mine.signal);
    if (error?.reason === "PAGE_TOKEN_INVALID") void findFirst(known.of);
  }
}

function fail(thrown: unknown, signal: AbortSignal): AppError | undefined {
  // What was superseded has nothing to say any more.
  if (signal.aborted) return undefined;
  waiting.value = "nothing";
  failure.value = toAppError(thrown);
  return failure.value;
}

/** Reads the photographs of a search, and tells which are not to be had. */
async function readPhotos(wanted: Query): Promise<{ bytes: Map<string, Uint8Array>; missing: string[] }> {
  const read = new Map<string, Uint8Array>();
  const missing: string[] = [];
  for (const part of partsOf(wanted)) {
    if (part.kind !== "photo") continue;
    const held = photos.get(part.sha256);
    const photo = held ? undefined : await find(part.sha256);
    const bytes = held ?? (photo && new Uint8Array(await photo.blob.arrayBuffer()));
    if (bytes) read.set(part.sha256, bytes);
    else missing.push(part.sha256);
  }
  return { bytes: read, missing };
}
