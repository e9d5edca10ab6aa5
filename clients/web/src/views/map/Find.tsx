import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { announce } from "../../announce";
import { search } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import { useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Notice } from "../../parts/Notice";
import { Link } from "../../router";
import type { Atlas } from "./atlas";
import { messages } from "./messages";

/** So many products are marked at most: more would be half the map. */
const MOST = 60;
/** Of what is found, what is far less likely than the best is not marked. */
const SHARE_OF_BEST = 0.25;
const PAUSE_MS = 250;

/** Searches by words and marks on the map what is found. */
export function Find({
  atlas,
  onFound,
}: {
  atlas: Atlas;
  onFound: (points: ReadonlySet<number>) => void;
}): VNode {
  const m = useMessages(messages);
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const words = useSignal("");
  const count = useSignal<number | null>(null);
  const error = useSignal<AppError | null>(null);
  const again = useSignal(0);

  useEffect(() => {
    const text = words.value.trim();
    if (text === "") {
      error.value = null;
      count.value = null;
      onFound(new Set());
      return;
    }
    const gone = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const parts = [{ part: { case: "text", value: text } as const }];
        const { results } = await search.searchProducts({ parts, pageSize: MOST }, { signal: gone.signal });
        const least = (results[0]?.matchProbability ?? 0) * SHARE_OF_BEST;
        const good = results.filter(
          ({ weak, matchProbability }) => !weak && (matchProbability ?? 0) >= least,
        );
        const places = good.flatMap(({ product }) => atlas.places.get(product?.productId ?? "") ?? []);
        error.value = null;
        count.value = places.length;
        onFound(new Set(places));
        announce(places.length === 0 ? m("find.none") : m("find.found", { count: places.length }));
      } catch (thrown) {
        if (!gone.signal.aborted) error.value = toAppError(thrown);
      }
    };
    const timer = setTimeout(() => void ask(), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [words.value, again.value, atlas]);

  return (
    <form class="map-find" onSubmit={(event) => event.preventDefault()}>
      <label for={id}>{m("find")}</label>
      <div class="map-find-field">
        <Icon name="search" size={18} />
        <input
          id={id}
          ref={field}
          class="field"
          type="text"
          enterkeyhint="search"
          autocomplete="off"
          placeholder={m("find.hint")}
          value={words.value}
          onInput={(event) => {
            words.value = event.currentTarget.value;
          }}
        />
        {words.value !== "" && (
          <button
            type="button"
            class="icon-button"
            aria-label={m("find.clear")}
            onClick={() => {
              words.value = "";
              field.current?.focus();
            }}
          >
            <Icon name="close" size={16} />
          </button>
        )}
      </div>
      {error.value && <Notice error={error.value} onRetry={() => again.value++} />}
      {count.value !== null && !error.value && (
        <p class="map-find-said">
          {count.value === 0 ? m("find.none") : m("find.found", { count: count.value })}{" "}
          {count.value > 0 && (
            <Link href={`/?${new URLSearchParams({ q: words.value.trim() })}`}>{m("find.results")}</Link>
          )}
        </p>
      )}
    </form>
  );
}
