import { useEffect, useRef } from "preact/hooks";

/**
 * Calls again and again, `pauseMs` after each answer, while the page is seen: a hidden tab asks
 * nothing, and asks at once when it is seen again. `ask` gets a signal that ends with the view.
 * Returns what asks now, unless an answer is on its way.
 */
export function usePolling(ask: (signal: AbortSignal) => Promise<void>, pauseMs: number): () => void {
  const latest = useRef(ask);
  latest.current = ask;
  const now = useRef<() => void>(() => undefined);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running: AbortController | undefined;
    const again = async (): Promise<void> => {
      clearTimeout(timer);
      if (running || document.hidden) return;
      const mine = new AbortController();
      running = mine;
      try {
        await latest.current(mine.signal);
      } finally {
        running = undefined;
        if (!mine.signal.aborted) timer = setTimeout(again, pauseMs);
      }
    };
    const look = (): void => void again();
    now.current = look;
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(timer);
      running?.abort();
    };
  }, [pauseMs]);
  return () => now.current();
}
