/** Gives the focus to the view, where what has it is about to go: keys and screen readers go on from there. */
export function focusView(): void {
  document.getElementById("content")?.focus({ preventScroll: true });
}
