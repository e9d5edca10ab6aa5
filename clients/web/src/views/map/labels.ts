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
  readonly lines: readonly string[];
  readonly sizePx: number;
  /** Its middle on the screen. */
  readonly at: Point;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** From line to line, in sizes of the letters. */
export const LINE_HEIGHT = 1.1;

const SMALLEST_PX = 12;
/** On a wide screen; a phone's is smaller, so that more words find room. */
const LARGEST_PX = 22;
/** Air around a label: with less of it words of neighbours read as one sentence. */
const AIR_PX = 10;
/** Air above and below, at the edges of the screen. */
const EDGE_PX = 8;
/** How wide a neighbourhood must look before it is named at all, so that words come with zoom. */
const WORTH_NAMING_PX = 22;
/** How wide a neighbourhood must look for a second word, and for all of them. */
const ROOM_FOR_TWO_PX = 44;
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
  const labelled = (cluster: number, { x, y, count }: Neighbourhood, lines: readonly string[]): Label => {
    const sizePx = SMALLEST_PX + (largestPx - SMALLEST_PX) * Math.sqrt(count / most);
    const widthPx = Math.max(...lines.map((line) => measure(line, sizePx)));
    const heightPx = sizePx * (1 + (lines.length - 1) * LINE_HEIGHT);
    return { cluster, lines, sizePx, at: toScreen(view, { x, y }), widthPx, heightPx };
  };
  for (const [i, cluster] of order) {
    if (looksPx(cluster, view) < WORTH_NAMING_PX || cluster.words.length === 0) continue;
    const label = labelled(i, cluster, cluster.words.slice(0, 1));
    if (fits(label)) placed.push(label);
  }
  for (const [place, label] of placed.entries()) {
    const cluster = clusters[label.cluster];
    if (!cluster || looksPx(cluster, view) < ROOM_FOR_TWO_PX) continue;
    const roomy = looksPx(cluster, view) >= ROOM_FOR_ALL_PX;
    const longer = [...(roomy ? [inOneLine(cluster.words)] : []), ...twoWords(cluster.words)]
      .map((lines) => labelled(label.cluster, cluster, lines))
      .find(fits);
    if (longer) placed[place] = longer;
  }
  return placed;
}

/** The two most telling words, as they are tried: beside each other, else one below the other. */
function twoWords(words: readonly string[]): (readonly string[])[] {
  const two = words.slice(0, 2);
  return [inOneLine(two), two];
}

function inOneLine(words: readonly string[]): readonly string[] {
  return [words.join(" · ")];
}

/** The label under a place of the screen. */
export function labelAt(labels: readonly Label[], { x, y }: Point): Label | undefined {
  return labels.find(
    (label) =>
      Math.abs(label.at.x - x) <= label.widthPx / 2 + 4 && Math.abs(label.at.y - y) <= label.heightPx / 2 + 6,
  );
}

/** How wide a neighbourhood looks. */
function looksPx({ radius }: Neighbourhood, view: Viewport): number {
  return 2 * radius * view.scalePx;
}

function onScreen({ at, widthPx, heightPx }: Label, view: Viewport): boolean {
  return (
    at.x - widthPx / 2 >= 0 &&
    at.x + widthPx / 2 <= view.widthPx &&
    at.y - heightPx / 2 >= EDGE_PX &&
    at.y + heightPx / 2 <= view.heightPx - EDGE_PX
  );
}

function overlap(p: Label, q: Label): boolean {
  return (
    Math.abs(p.at.x - q.at.x) < (p.widthPx + q.widthPx) / 2 + AIR_PX &&
    Math.abs(p.at.y - q.at.y) < (p.heightPx + q.heightPx) / 2 + AIR_PX
  );
}
