/** A point of an outline, in pixels of the mask. */
export type Point = readonly [x: number, y: number];

/** Which garment each pixel belongs to, rows from the top. */
export interface ClassMask {
  classes: Uint8Array;
  widthPx: number;
  heightPx: number;
}

/** Steps smaller than this are the grid's, not the garment's. */
const TOLERANCE_PX = 0.9;
/** Specks below this share of the picture are noise. */
const LEAST_SHARE = 0.0008;

/**
 * The outlines of all pixels of some classes, outer edges and holes alike: closed, without the grid's stairs, for
 * `fill-rule: evenodd`. Source: crack following along pixel edges, then Douglas and Peucker 1973.
 */
export function outlinesOf(mask: ClassMask, ...wanted: number[]): Point[][] {
  const least = LEAST_SHARE * mask.widthPx * mask.heightPx;
  return loopsOf(mask, wanted)
    .filter((loop) => Math.abs(areaOf(loop)) >= least)
    .map((loop) => simplified(loop, TOLERANCE_PX))
    .filter((loop) => loop.length >= 4);
}

/** Outlines as an SVG path whose corners are rounded, scaled to another size. */
export function pathOf(outlines: readonly Point[][], scaleX: number, scaleY: number): string {
  const at = ([x, y]: Point): string => `${(x * scaleX).toFixed(1)} ${(y * scaleY).toFixed(1)}`;
  return outlines
    .map((loop) => {
      const middles = loop.map((point, index) => middle(point, loop[(index + 1) % loop.length] ?? point));
      const start = middles.at(-1) ?? [0, 0];
      const curves = loop.map((point, index) => `Q${at(point)} ${at(middles[index] ?? point)}`);
      return `M${at(start)}${curves.join("")}Z`;
    })
    .join("");
}

/** Twice-signed area, halved: positive for loops that run clockwise on the screen. */
export function areaOf(loop: readonly Point[]): number {
  let sum = 0;
  for (let index = 0; index < loop.length; index++) {
    const [x1, y1] = loop[index] ?? [0, 0];
    const [x2, y2] = loop[(index + 1) % loop.length] ?? [0, 0];
    sum += x1 * y2 - x2 * y1;
  }
  return sum / 2;
}

/** Follows the edges between pixels of the classes and others, the former always on the right hand. */
function loopsOf({ classes, widthPx, heightPx }: ClassMask, wanted: readonly number[]): Point[][] {
  const is = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < widthPx && y < heightPx && wanted.includes(classes[y * widthPx + x] ?? 0);
  const stride = widthPx + 1;
  // From a corner of the grid to where its edges lead: at most two, where two pixels touch at a corner.
  const edges = new Map<number, number[]>();
  const add = (x1: number, y1: number, x2: number, y2: number): void => {
    const from = y1 * stride + x1;
    const known = edges.get(from);
    if (known) known.push(y2 * stride + x2);
    else edges.set(from, [y2 * stride + x2]);
  };
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      if (!is(x, y)) continue;
      if (!is(x, y - 1)) add(x, y, x + 1, y);
      if (!is(x + 1, y)) add(x + 1, y, x + 1, y + 1);
      if (!is(x, y + 1)) add(x + 1, y + 1, x, y + 1);
      if (!is(x - 1, y)) add(x, y + 1, x, y);
    }
  }
  const loops: Point[][] = [];
  for (const start of edges.keys()) {
    while (edges.has(start)) {
      const loop: Point[] = [];
      let at = start;
      do {
        loop.push([at % stride, Math.floor(at / stride)]);
        const ways = edges.get(at);
        const next = ways?.pop();
        if (ways?.length === 0) edges.delete(at);
        if (next === undefined) break;
        at = next;
      } while (at !== start);
      loops.push(loop);
    }
  }
  return loops;
}

/** The closed loop with only those points without which it would move by more than the tolerance. */
function simplified(loop: readonly Point[], tolerance: number): Point[] {
  if (loop.length < 5) return [...loop];
  // A closed line is cut at two far points, each half reduced by itself.
  let far = 0;
  for (let index = 1; index < loop.length; index++) {
    if (distance(loop[0], loop[index]) > distance(loop[0], loop[far])) far = index;
  }
  const first = reduced(loop.slice(0, far + 1), tolerance);
  const second = reduced([...loop.slice(far), ...loop.slice(0, 1)], tolerance);
  return [...first.slice(0, -1), ...second.slice(0, -1)];
}

function reduced(line: readonly Point[], tolerance: number): Point[] {
  const kept = new Set([0, line.length - 1]);
  // An own stack: an outline of thousands of points would overrun the engine's.
  const spans: Array<[number, number]> = [[0, line.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [from, to] = span;
    let worst = tolerance;
    let split = -1;
    for (let index = from + 1; index < to; index++) {
      const off = offLine(line[index], line[from], line[to]);
      if (off > worst) {
        worst = off;
        split = index;
      }
    }
    if (split < 0) continue;
    kept.add(split);
    spans.push([from, split], [split, to]);
  }
  return line.filter((_, index) => kept.has(index));
}

function offLine(point: Point = [0, 0], from: Point = [0, 0], to: Point = [0, 0]): number {
  const length = distance(from, to);
  if (length === 0) return distance(point, from);
  const cross = (to[0] - from[0]) * (from[1] - point[1]) - (from[0] - point[0]) * (to[1] - from[1]);
  return Math.abs(cross) / length;
}

function distance(one: Point = [0, 0], other: Point = [0, 0]): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

function middle(one: Point, other: Point): Point {
  return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
}
