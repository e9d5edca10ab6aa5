import { describe, expect, it } from "vitest";
import { drawDots, radiusFor, stampOf } from "./dots";
import { entry, type Points } from "./points";

const RED = 0xff0000ff;
const GREY = 0xff888888;
const WHOLE = { scale: 20, left: 0, top: 0 };

function raster(width: number, height: number) {
  return { pixels: new Uint32Array(width * height), width, height };
}

function points(...places: [x: number, y: number, cluster: number][]): Points {
  return {
    ids: places.map((_, i) => `p${i}`),
    xs: Float32Array.from(places, ([x]) => x),
    ys: Float32Array.from(places, ([, y]) => y),
    clusters: Int16Array.from(places, ([, , cluster]) => cluster),
  };
}

describe("dots", () => {
  it("are drawn where their products are, in the colour of their neighbourhood", () => {
    const picture = raster(20, 20);
    const both = points([0.25, 0.5, 0], [0.75, 0.5, -1]);
    drawDots(picture, both, Uint32Array.of(0, 1), 2, WHOLE, 2, Uint32Array.of(RED), GREY);
    expect(picture.pixels[10 * 20 + 5]).toBe(RED);
    expect(picture.pixels[10 * 20 + 15]).toBe(GREY);
    expect(picture.pixels[10 * 20 + 10]).toBe(0);
  });

  it("leave out what is not among the visible", () => {
    const picture = raster(20, 20);
    const both = points([0.25, 0.5, 0], [0.75, 0.5, 0]);
    drawDots(picture, both, Uint32Array.of(1, 0), 1, WHOLE, 2, Uint32Array.of(RED), GREY);
    expect(picture.pixels[10 * 20 + 5]).toBe(0);
    expect(picture.pixels[10 * 20 + 15]).toBe(RED);
  });

  it("never write outside the picture, nor round its edge", () => {
    const picture = raster(20, 20);
    const corners = points([0, 0, 0], [1, 1, 0], [1, 0, 0], [-4, 9, 0]);
    drawDots(picture, corners, Uint32Array.of(0, 1, 2, 3), 4, WHOLE, 3, Uint32Array.of(RED), GREY);
    expect(picture.pixels.every((pixel) => pixel === 0)).toBe(true);
  });

  it("have a soft rim that does not dim the discs under it", () => {
    const picture = raster(20, 20);
    const near = points([0.5, 0.5, 0], [0.6, 0.5, 1]);
    drawDots(picture, near, Uint32Array.of(0, 1), 2, WHOLE, 2.25, Uint32Array.of(RED, GREY), 0);
    expect(entry(picture.pixels, 10 * 20 + 10) >>> 24).toBe(255);
    expect(picture.pixels.some((pixel) => pixel >>> 24 > 0 && pixel >>> 24 < 255)).toBe(true);
  });

  it("are round: they cover their middle, and not the corners of their square", () => {
    for (const radius of [1, 2, 3.3, 4, 6.4]) {
      const { reach, solid, rim } = stampOf(radius, 100);
      expect(solid).toContain(0);
      const covered = [...solid, ...rim];
      expect(covered).toContain(reach);
      if (reach > 1) expect(covered).not.toContain(reach * 100 + reach);
      expect(Math.abs(solid.length + rim.length / 2 - Math.PI * radius ** 2)).toBeLessThan(radius * 3);
    }
  });

  it("are small in a crowd and on a small screen, within limits", () => {
    const desktop = 1100 * 800;
    const phone = 390 * 520;
    expect(radiusFor(140_000, desktop)).toBe(1);
    expect(radiusFor(700, phone)).toBeLessThan(radiusFor(700, desktop));
    expect(radiusFor(700, desktop)).toBeLessThan(radiusFor(100, desktop));
    expect(radiusFor(0, desktop)).toBe(6);
  });
});
