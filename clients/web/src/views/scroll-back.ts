import { useLayoutEffect } from "preact/hooks";
import { scrollToRestore } from "../router";

/** After going back, returns to where the view was left: once what it shows is there. */
export function useScrollBack(ready: boolean): void {
  useLayoutEffect(() => {
    const top = scrollToRestore.peek();
    if (!ready || top === null) return;
    scrollToRestore.value = null;
    scrollTo(0, top);
  }, [ready]);
}
