import { expect, test } from "vitest";
import { areaOf, type ClassMask, outlinesOf, pathOf } from "./contours";

/** A mask of a size in which a test says what each pixel is. */
function mask(widthPx: number, heightPx: number, of: (x: number, y: number) => number): ClassMask {
  const classes = new Uint8Array(widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) for (let x = 0; x < widthPx; x++) classes[y * widthPx + x] = of(x, y);
  return { classes, widthPx, heightPx };
}

const inside = (x: number, y: number, radius: number): boolean => Math.hypot(x - 31.5, y - 31.5) < radius;

test("a rectangle keeps its four corners and its area", () => {
  const outlines = outlinesOf(
    mask(40, 40, (x, y) => (x >= 5 && x < 25 && y >= 10 && y < 30 ? 2 : 0)),
    2,
  );
  expect(outlines).toHaveLength(1);
  expect(outlines[0]).toHaveLength(4);
  expect(areaOf(outlines[0] ?? [])).toBe(400);
});

test("a garment that reaches the picture's edge is closed there", () => {
  const [outline] = outlinesOf(
    mask(20, 20, () => 1),
    1,
  );
  expect(areaOf(outline ?? [])).toBe(400);
});

test("a hole is an outline that runs the other way", () => {
  const ring = outlinesOf(
    mask(64, 64, (x, y) => (inside(x, y, 28) && !inside(x, y, 12) ? 3 : 0)),
    3,
  );
  expect(ring.map((loop) => Math.sign(areaOf(loop))).sort()).toEqual([-1, 1]);
});

test("a circle loses its stairs, not its shape", () => {
  const [outline = []] = outlinesOf(
    mask(64, 64, (x, y) => (inside(x, y, 25) ? 1 : 0)),
    1,
  );
  expect(outline.length).toBeLessThan(60);
  expect(areaOf(outline) / (Math.PI * 25 ** 2)).toBeCloseTo(1, 1);
});

test("specks are left out, and so are other classes", () => {
  const specks = mask(200, 200, (x, y) => (x === 50 && y === 50 ? 1 : x < 20 ? 2 : 0));
  expect(outlinesOf(specks, 1)).toEqual([]);
});

test("two parts that touch at a corner only are still closed outlines", () => {
  const outlines = outlinesOf(
    mask(20, 20, (x, y) => (x < 10 === y < 10 ? 1 : 0)),
    1,
  );
  expect(outlines.reduce((sum, loop) => sum + areaOf(loop), 0)).toBe(200);
});

test("classes that are taken together have no line between them", () => {
  const halves = mask(40, 40, (x) => (x < 20 ? 1 : 3));
  expect(outlinesOf(halves, 1, 2, 3)).toHaveLength(1);
});

test("a path is closed and scaled to the photograph", () => {
  const outlines = outlinesOf(
    mask(10, 10, () => 1),
    1,
  );
  const path = pathOf(outlines, 20, 30);
  expect(path).toMatch(/^M.*Z$/);
  expect(path).toContain("200.0 300.0");
});
