import { useEffect } from "preact/hooks";

/** Names the page in its tab, in histories and to screen readers; empty: only itself. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Lookalike" : `${title} · Lookalike`;
  }, [title]);
}
