import { computed, effect, signal } from "@preact/signals";
import { navigate, route } from "../router";
import { EMPTY, type Query, UNWANTED, withPart } from "./query";
import { queryFromParams, urlOf } from "./url";
import { readWords } from "./words";

/** Typing pauses this long before it is searched for: fast typists are not interrupted, slow ones not kept. */
const PAUSE_MS = 180;

/** What the address says is searched for. */
export const query = computed<Query>(() =>
  route.value.view === "search" ? queryFromParams(route.value.params) : EMPTY,
);

/** What stands in the search box, searched for or not yet. */
export const draft = signal("");

let pause: ReturnType<typeof setTimeout> | undefined;
/** What typing put into the address last; null while nobody types. */
let typed: string | null = null;

/** Searches for something else: an own entry to go back to. */
export function searchFor(next: Query): void {
  clearTimeout(pause);
  typed = null;
  draft.value = next.text;
  navigate(urlOf(next));
}

/** Takes what is being typed; after a pause it is searched for. */
export function type(text: string): void {
  draft.value = text;
  clearTimeout(pause);
  // Elsewhere than on the search people type first and go then.
  if (route.peek().view !== "search") return;
  pause = setTimeout(() => {
    const next = urlOf({ ...query.peek(), text });
    // One entry for all that is typed in one go: the first letter makes it, the others change it.
    const replace = typed !== null;
    typed = text;
    navigate(next, { replace });
  }, PAUSE_MS);
}

/** Searches for what stands in the box at once; what was typed with a not becomes a part of its own. */
export function commit(): void {
  clearTimeout(pause);
  const { rest, unwanted } = readWords(draft.peek());
  const base = route.peek().view === "search" ? query.peek() : EMPTY;
  const next = unwanted.reduce<Query>(
    (whole, text) => withPart(whole, { kind: "text", text, weight: UNWANTED }),
    { ...base, text: rest },
  );
  const replace = typed !== null;
  typed = null;
  draft.value = next.text;
  navigate(urlOf(next), { replace });
}

/** Lets the box follow the address: links, back and forward. */
export function startSearch(): void {
  effect(() => {
    const { text } = query.value;
    const away = route.value.view !== "search";
    if (!away && text === typed) return;
    typed = null;
    // Nobody who has gone elsewhere is fetched back by what they had been typing.
    clearTimeout(pause);
    if (!away) draft.value = text;
  });
}
