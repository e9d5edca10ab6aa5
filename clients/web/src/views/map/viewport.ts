/**
 * Where the map lies on the screen. The map is the square from (0, 0) to (1, 1); a point of it is
 * drawn at `left + x * scale`, `top + y * scale`, in CSS pixels of the canvas.
 */
export interface Viewport {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Side of the whole map on the screen. */
  readonly scalePx: number;
  readonly leftPx: number;
  readonly topPx: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const MARGIN_PX = 24;
/** How far in people can go: enough to part 140,000 products in the densest neighbourhoods. */
const DEEPEST = 400;

/** The scale at which the whole map is seen. */
export function fitScale(widthPx: number, heightPx: number): number {
  return Math.max(Math.min(widthPx, heightPx) - 2 * MARGIN_PX, 64);
}

/** The whole map, in the middle. */
export function wholeMap(widthPx: number, heightPx: number): Viewport {
  const scalePx = fitScale(widthPx, heightPx);
  return {
    widthPx,
    heightPx,
    scalePx,
    leftPx: (widthPx - scalePx) / 2,
    topPx: (heightPx - scalePx) / 2,
  };
}

/** How many times larger than the whole map: 1 is the whole. */
export function zoomOf(view: Viewport): number {
  return view.scalePx / fitScale(view.widthPx, view.heightPx);
}

export function toScreen(view: Viewport, point: Point): Point {
  return { x: view.leftPx + point.x * view.scalePx, y: view.topPx + point.y * view.scalePx };
}

export function toMap(view: Viewport, point: Point): Point {
  return { x: (point.x - view.leftPx) / view.scalePx, y: (point.y - view.topPx) / view.scalePx };
}

/** Moves the map under the screen. */
export function panBy(view: Viewport, dxPx: number, dyPx: number): Viewport {
  return clamped({ ...view, leftPx: view.leftPx + dxPx, topPx: view.topPx + dyPx });
}

/** Zooms so that what lies at `about` (on the screen) stays there. */
export function zoomAbout(view: Viewport, factor: number, about: Point): Viewport {
  const scalePx = allowedScale(view, view.scalePx * factor);
  const kept = toMap(view, about);
  return clamped({
    ...view,
    scalePx,
    leftPx: about.x - kept.x * scalePx,
    topPx: about.y - kept.y * scalePx,
  });
}

/** Follows two fingers: each keeps the place of the map that it touched. Turning is ignored. */
export function pinch(
  view: Viewport,
  before: readonly [Point, Point],
  after: readonly [Point, Point],
): Viewport {
  const apart = distance(before);
  const factor = apart > 0 ? distance(after) / apart : 1;
  const from = middle(before);
  const to = middle(after);
  return panBy(zoomAbout(view, factor, from), to.x - from.x, to.y - from.y);
}

/** Keeps the middle and what is seen of the map when the window changes. */
export function resized(view: Viewport, widthPx: number, heightPx: number): Viewport {
  const centre = toMap(view, { x: view.widthPx / 2, y: view.heightPx / 2 });
  const scalePx = zoomOf(view) * fitScale(widthPx, heightPx);
  return clamped({
    widthPx,
    heightPx,
    scalePx,
    leftPx: widthPx / 2 - centre.x * scalePx,
    topPx: heightPx / 2 - centre.y * scalePx,
  });
}

/** Shows a disc of the map as large as it fits. */
export function show(view: Viewport, centre: Point, radius: number): Viewport {
  const room = fitScale(view.widthPx, view.heightPx);
  const scalePx = allowedScale(view, room / Math.max(2 * radius, 1e-6));
  return clamped({
    ...view,
    scalePx,
    leftPx: view.widthPx / 2 - centre.x * scalePx,
    topPx: view.heightPx / 2 - centre.y * scalePx,
  });
}

function allowedScale(view: Viewport, scalePx: number): number {
  const smallest = fitScale(view.widthPx, view.heightPx);
  return Math.min(Math.max(scalePx, smallest), smallest * DEEPEST);
}

/** The middle of the screen never leaves the map: so nobody gets lost beside it. */
function clamped(view: Viewport): Viewport {
  const { widthPx, heightPx, scalePx } = view;
  const leftPx = Math.min(Math.max(view.leftPx, widthPx / 2 - scalePx), widthPx / 2);
  const topPx = Math.min(Math.max(view.topPx, heightPx / 2 - scalePx), heightPx / 2);
  return { widthPx, heightPx, scalePx, leftPx, topPx };
}

function distance([p, q]: readonly [Point, Point]): number {
  return Math.hypot(p.x - q.x, p.y - q.y);
}

function middle([p, q]: readonly [Point, Point]): Point {
  return { x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 };
}

/** A view on the way from one to another, `share` of it done: zooms evenly, whatever the distance. */
export function between(from: Viewport, to: Viewport, share: number): Viewport {
  const screen = { x: to.widthPx / 2, y: to.heightPx / 2 };
  const start = toMap(from, screen);
  const end = toMap(to, screen);
  const scalePx = from.scalePx * (to.scalePx / from.scalePx) ** share;
  // What is near the goal moves at the pace of the zoom, else it would fly by at the end of it.
  const grown = to.scalePx - from.scalePx;
  const way = Math.abs(grown) < 1e-6 ? share : ((scalePx - from.scalePx) / grown) * (to.scalePx / scalePx);
  return {
    ...to,
    scalePx,
    leftPx: screen.x - (start.x + (end.x - start.x) * way) * scalePx,
    topPx: screen.y - (start.y + (end.y - start.y) * way) * scalePx,
  };
}
