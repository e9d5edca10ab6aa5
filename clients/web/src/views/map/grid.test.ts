import { describe, expect, it } from "vitest";
import { Grid } from "./grid";
import { entry } from "./points";

/** Places that are the same in every run: a small linear congruential generator. */
function places(count: number): { xs: Float32Array; ys: Float32Array } {
  let state = 12345;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  const xs = Float32Array.from({ length: count }, next);
  const ys = Float32Array.from({ length: count }, next);
  return { xs, ys };
}

describe("the grid", () => {
  const { xs, ys } = places(3000);
  const grid = new Grid(xs, ys);

  it("finds exactly the points of a region", () => {
    const region = { left: 0.31, top: 0.12, right: 0.77, bottom: 0.4 };
    const found = new Uint32Array(xs.length);
    const count = grid.inside(region, found);
    const wanted = [...xs.keys()].filter(
      (i) =>
        entry(xs, i) >= region.left &&
        entry(xs, i) <= region.right &&
        entry(ys, i) >= region.top &&
        entry(ys, i) <= region.bottom,
    );
    expect([...found.slice(0, count)].sort((a, b) => a - b)).toEqual(wanted);
    expect(count).toBeGreaterThan(100);
  });

  it("finds everything in a region larger than the map", () => {
    const region = { left: -3, top: -3, right: 4, bottom: 4 };
    expect(grid.inside(region, new Uint32Array(xs.length))).toBe(xs.length);
  });

  it("finds the nearest point, as looking at all of them does", () => {
    for (const [x, y] of [
      [0.5, 0.5],
      [0.01, 0.99],
      [0.333, 0.25],
    ] as const) {
      const distances = [...xs].map((px, i) => Math.hypot(px - x, entry(ys, i) - y));
      expect(grid.nearest(x, y, 0.2)).toBe(distances.indexOf(Math.min(...distances)));
    }
  });

  it("finds nothing where nothing is near", () => {
    const lonely = new Grid(Float32Array.of(0.9), Float32Array.of(0.9));
    expect(lonely.nearest(0.1, 0.1, 0.05)).toBe(-1);
    expect(lonely.nearest(0.88, 0.9, 0.05)).toBe(0);
  });

  it("holds points on the very edge of the map", () => {
    const edge = new Grid(Float32Array.of(0, 1), Float32Array.of(1, 0));
    expect(edge.nearest(1, 0, 0.001)).toBe(1);
    expect(edge.nearest(0, 1, 0.001)).toBe(0);
  });

  it("is content without any point", () => {
    const empty = new Grid(new Float32Array(), new Float32Array());
    expect(empty.nearest(0.5, 0.5, 1)).toBe(-1);
  });
});
