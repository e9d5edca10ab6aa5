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
/** On a wide screen; a phone's is smaller, so that more words find room. */
const LARGEST_PX = 22;
/** Air around a label: with less of it words of neighbours read as one sentence. */
const AIR_PX = 10;
/** How wide a neighbourhood must look before it is named at all, so that words come with zoom. */
const WORTH_NAMING_PX = 22;
/** How wide a neighbourhood must look for a second word, and for all of them. */
const ROOM_FOR_TWO_PX = 64;
const ROOM_FOR_ALL_PX = 420;

/**
 * Chooses the labels that fit: the largest neighbourhoods first, none over another, none cut off.
 * First every one gets its most telling word; then those that have room say more.
 * The order never depends on the view, so a label stays while the map moves until it has no room.
 */
export function placeLabels(
  clusters: readonly Neighbourhood[],
  view: Viewport,
  measure: (text: string, sizePx: number) => number,
): Label[] {
  const largestPx = Math.min(Math.max(view.widthPx / 50, 15), LARGEST_PX);
  const most = Math.max(...clusters.map((cluster) => cluster.count), 1);
  const order = [...clusters.entries()].sort(([, p], [, q]) => q.count - p.count);
  const placed: Label[] = [];
  const fits = (label: Label) =>
    onScreen(label, view) &&
    !placed.some((other) => other.cluster !== label.cluster && overlap(label, other));
  const labelled = (cluster: number, { words, x, y, count }: Neighbourhood, wordCount: number): Label => {
    const text = words.slice(0, wordCount).join(" · ");
    const sizePx = SMALLEST_PX + (largestPx - SMALLEST_PX) * Math.sqrt(count / most);
    return { cluster, text, sizePx, at: toScreen(view, { x, y }), widthPx: measure(text, sizePx) };
  };
  for (const [i, cluster] of order) {
    if (looksPx(cluster, view) < WORTH_NAMING_PX || cluster.words.length === 0) continue;
    const label = labelled(i, cluster, 1);
    if (fits(label)) placed.push(label);
  }
  for (const [place, label] of placed.entries()) {
    const cluster = clusters[label.cluster];
    if (!cluster || looksPx(cluster, view) < ROOM_FOR_TWO_PX) continue;
    const roomy = looksPx(cluster, view) >= ROOM_FOR_ALL_PX;
    for (const wordCount of roomy ? [cluster.words.length, 2] : [2]) {
      const longer = labelled(label.cluster, cluster, wordCount);
      if (!fits(longer)) continue;
      placed[place] = longer;
      break;
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

/** How wide a neighbourhood looks. */
function looksPx({ radius }: Neighbourhood, view: Viewport): number {
  return 2 * radius * view.scalePx;
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
