/** Moves the focus among a grid's cards by the arrow keys, Home and End. */
export function onGridKey(event: KeyboardEvent): void {
  const grid = event.currentTarget;
  if (!(grid instanceof HTMLElement) || !(event.target instanceof HTMLElement)) return;
  if (event.altKey || event.ctrlKey || event.metaKey || !event.target.matches(".card-link")) return;
  const cards = [...grid.querySelectorAll<HTMLElement>(".card-link")];
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const next = target(event.key, cards.indexOf(event.target), cards.length, columns);
  if (next === undefined) return;
  event.preventDefault();
  const card = cards[next];
  card?.focus();
  card?.scrollIntoView({ block: "nearest" });
}

/** The place that a key leads to in a grid filled row by row; undefined: the key is none of the grid's. */
export function target(key: string, from: number, count: number, columns: number): number | undefined {
  const to = {
    ArrowRight: from + 1,
    ArrowLeft: from - 1,
    ArrowDown: from + columns,
    ArrowUp: from - columns,
    Home: 0,
    End: count - 1,
  }[key];
  if (to === undefined) return undefined;
  // At an edge the focus stays; the page scrolls as it would without a grid.
  return to >= 0 && to < count ? to : undefined;
}
