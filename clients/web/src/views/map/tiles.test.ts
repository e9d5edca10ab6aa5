import { describe, expect, it } from "vitest";
import type { Points } from "./points";
import { placeTiles, tileAt } from "./tiles";
import { panBy, wholeMap, zoomAbout } from "./viewport";

const SIDE = 20;
/** Twenty rows of twenty products. */
const POINTS: Points = {
  ids: Array.from({ length: SIDE * SIDE }, (_, i) => `p${i}`),
  xs: Float32Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE) / SIDE),
  ys: Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.floor(i / SIDE) / SIDE),
  clusters: new Int16Array(SIDE * SIDE),
};
const ALL = Uint32Array.from(POINTS.ids.keys());
const VIEW = wholeMap(800, 800);

describe("pictures on the map", () => {
  it("never cover one another", () => {
    const tiles = placeTiles(POINTS, ALL, ALL.length, VIEW);
    expect(tiles.length).toBeGreaterThan(50);
    for (const p of tiles) {
      for (const q of tiles) {
        const apart = Math.max(Math.abs(p.at.x - q.at.x), Math.abs(p.at.y - q.at.y));
        if (p !== q) expect(apart).toBeGreaterThanOrEqual(p.sidePx);
      }
    }
  });

  it("are for few products in view", () => {
    const crowd = { ...POINTS, ids: Array<string>(1000).fill("p") };
    expect(placeTiles(crowd, new Uint32Array(1000), 1000, VIEW)).toEqual([]);
  });

  it("stay the same while the map is moved, in whatever order the products are found", () => {
    const chosen = (visible: Uint32Array, view = VIEW) =>
      placeTiles(POINTS, visible, visible.length, view).map((tile) => tile.point);
    expect(chosen(ALL.slice().reverse(), panBy(VIEW, 13, -8))).toEqual(chosen(ALL));
  });

  it("grow with the zoom", () => {
    const near = placeTiles(POINTS, ALL, ALL.length, zoomAbout(VIEW, 4, { x: 400, y: 400 }));
    const far = placeTiles(POINTS, ALL, ALL.length, VIEW);
    expect(near[0]?.sidePx).toBeGreaterThan(far[0]?.sidePx ?? Number.POSITIVE_INFINITY);
  });

  it("are found under the pointer", () => {
    const tiles = placeTiles(POINTS, ALL, ALL.length, VIEW);
    expect(tileAt(tiles, tiles[3]?.at ?? { x: 0, y: 0 })).toBe(tiles[3]);
    expect(tileAt(tiles, { x: -500, y: 0 })).toBeUndefined();
  });
});
