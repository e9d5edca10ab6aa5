import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AppError, toAppError, wasCancelled } from "../../api/errors";

/** An answer on its way, there, or failed. */
export type Answer<T> =
  | { readonly state: "loading" }
  | { readonly state: "ready"; readonly value: T }
  | { readonly state: "failed"; readonly error: AppError };

/**
 * Asks whenever the key changes and gives up what is no longer wanted. Returns the answer and a
 * function that asks again.
 */
export function useAnswer<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
): [Signal<Answer<T>>, () => void] {
  const answer = useSignal<Answer<T>>({ state: "loading" });
  const again = useSignal(0);
  useEffect(() => {
    const gone = new AbortController();
    answer.value = { state: "loading" };
    ask(gone.signal).then(
      (value) => {
        if (!gone.signal.aborted) answer.value = { state: "ready", value };
      },
      (thrown: unknown) => {
        if (gone.signal.aborted || wasCancelled(thrown)) return;
        answer.value = { state: "failed", error: toAppError(thrown) };
      },
    );
    return () => gone.abort();
  }, [key, again.value]);
  return [answer, () => again.value++];
}
