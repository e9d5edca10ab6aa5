import { entry, type Points } from "./points";
import { type Point, toScreen, type Viewport } from "./viewport";

/** A product that is shown by its picture instead of a dot. */
export interface Tile {
  /** Position among the points. */
  readonly point: number;
  /** Its middle on the screen. */
  readonly at: Point;
  readonly sidePx: number;
}

/** With more products than this in view, pictures would say less than dots. */
const MOST_IN_VIEW = 600;
const MOST_TILES = 150;
const SMALLEST_PX = 44;
const LARGEST_PX = 128;

/**
 * Chooses the products that get a picture: none over another, the others stay dots. Size and
 * order follow from the zoom and the points alone, so pictures do not jump while the map is moved.
 */
export function placeTiles(points: Points, visible: Uint32Array, count: number, view: Viewport): Tile[] {
  if (count > MOST_IN_VIEW) return [];
  const sidePx = sideFor(points.ids.length, view.scalePx);
  const tiles: Tile[] = [];
  // The grid gives them by place; by their number they come in the same order from everywhere.
  for (const point of visible.slice(0, count).sort()) {
    const at = toScreen(view, { x: entry(points.xs, point), y: entry(points.ys, point) });
    const free = tiles.every(
      (tile) => Math.abs(tile.at.x - at.x) >= sidePx || Math.abs(tile.at.y - at.y) >= sidePx,
    );
    if (free) tiles.push({ point, at, sidePx });
    if (tiles.length === MOST_TILES) break;
  }
  return tiles;
}

/** The tile under a place of the screen. */
export function tileAt(tiles: readonly Tile[], { x, y }: Point): Tile | undefined {
  return tiles.find(({ at, sidePx }) => Math.abs(at.x - x) <= sidePx / 2 && Math.abs(at.y - y) <= sidePx / 2);
}

/** As large as the usual distance of neighbours allows. */
function sideFor(pointCount: number, scalePx: number): number {
  const spacingPx = (scalePx * 0.6) / Math.sqrt(Math.max(pointCount, 1));
  return Math.min(Math.max(spacingPx, SMALLEST_PX), LARGEST_PX);
}
