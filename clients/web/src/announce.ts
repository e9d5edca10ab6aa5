import { signal } from "@preact/signals";

/** What the live region holds now. */
export const announcement = signal("");

/** Has screen readers say a text when they are free; the same text is said again. */
export function announce(text: string): void {
  // A region that does not change is not read: the second time differs by an invisible space.
  announcement.value = announcement.peek() === text ? `${text}\u00a0` : text;
}
