import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AppError, toAppError } from "../api/errors";

/** An answer on its way, there, or failed. */
export type Answer<T> =
  | { readonly state: "loading" }
  | { readonly state: "ready"; readonly value: T }
  | { readonly state: "failed"; readonly error: AppError };

/**
 * Asks whenever the key changes and gives up what is no longer wanted. Returns the answer to this key
 * and a function that asks again: what was answered stays until then, as a notice that stays waits
 * longer each time.
 */
export function useAnswer<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): [Answer<T>, () => void] {
  const answer = useSignal<{ of: string; now: Answer<T> }>({ of: key, now: { state: "loading" } });
  const again = useSignal(0);
  useEffect(() => {
    const gone = new AbortController();
    const tell = (now: Answer<T>): void => {
      if (!gone.signal.aborted) answer.value = { of: key, now };
    };
    ask(gone.signal).then(
      (value) => tell({ state: "ready", value }),
      (thrown: unknown) => tell({ state: "failed", error: toAppError(thrown) }),
    );
    return () => gone.abort();
  }, [key, again.value]);
  const { of, now } = answer.value;
  return [of === key ? now : { state: "loading" }, () => again.value++];
}
