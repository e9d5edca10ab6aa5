import { type Point, toScreen, type Viewport } from "./viewport";

export interface Neighbourhood {
  readonly words: readonly string[];
  readonly x: number;
  readonly y: number;
  /** Half of its products lie within it. */
  readonly radius: number;
  readonly count: number;
}

export interface Label {
  /** Position of the neighbourhood in the map's list. */
  readonly cluster: number;
  readonly text: string;
  readonly sizePx: number;
  /** Its middle on the screen. */
  readonly at: Point;
  readonly widthPx: number;
}

const SMALLEST_PX = 12;
const LARGEST_PX = 22;
/** Air around a label: with less of it words of neighbours read as one sentence. */
const AIR_PX = 10;
/** How wide a neighbourhood must look before it is named at all, so that words come with zoom. */
const WORTH_NAMING_PX = 22;
/** Beyond this width on the screen there is room for more than the first word. */
const ROOM_FOR_TWO_PX = 170;
const ROOM_FOR_ALL_PX = 420;

/**
 * Chooses the labels that fit: the largest neighbourhoods first, none over another, none cut off.
 * The order never depends on the view, so a label stays while the map moves until it has no room.
 */
export function placeLabels(
  clusters: readonly Neighbourhood[],
  view: Viewport,
  measure: (text: string, sizePx: number) => number,
): Label[] {
  const most = Math.max(...clusters.map((cluster) => cluster.count), 1);
  const order = [...clusters.entries()].sort(([, p], [, q]) => q.count - p.count);
  const placed: Label[] = [];
  for (const [i, cluster] of order) {
    const looksPx = 2 * cluster.radius * view.scalePx;
    if (looksPx < WORTH_NAMING_PX || cluster.words.length === 0) continue;
    const text = wordsFor(cluster.words, looksPx);
    const sizePx = SMALLEST_PX + (LARGEST_PX - SMALLEST_PX) * Math.sqrt(cluster.count / most);
    const at = toScreen(view, cluster);
    const label = { cluster: i, text, sizePx, at, widthPx: measure(text, sizePx) };
    if (onScreen(label, view) && !placed.some((other) => overlap(label, other))) {
      placed.push(label);
    }
  }
  return placed;
}

/** The label under a place of the screen. */
export function labelAt(labels: readonly Label[], { x, y }: Point): Label | undefined {
  return labels.find(
    (label) =>
      Math.abs(label.at.x - x) <= label.widthPx / 2 + 4 && Math.abs(label.at.y - y) <= label.sizePx / 2 + 6,
  );
}

function wordsFor(words: readonly string[], looksPx: number): string {
  if (looksPx >= ROOM_FOR_ALL_PX) return words.join(" · ");
  return words.slice(0, looksPx >= ROOM_FOR_TWO_PX ? 2 : 1).join(" · ");
}

function onScreen({ at, widthPx, sizePx }: Label, view: Viewport): boolean {
  return (
    at.x - widthPx / 2 >= 0 &&
    at.x + widthPx / 2 <= view.widthPx &&
    at.y - sizePx >= 0 &&
    at.y + sizePx <= view.heightPx
  );
}

function overlap(p: Label, q: Label): boolean {
  return (
    Math.abs(p.at.x - q.at.x) < (p.widthPx + q.widthPx) / 2 + AIR_PX &&
    Math.abs(p.at.y - q.at.y) < (p.sizePx + q.sizePx) / 2 + AIR_PX
  );
}
