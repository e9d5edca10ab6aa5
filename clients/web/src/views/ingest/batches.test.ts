import { describe, expect, it } from "vitest";
import { batches } from "./batches";
import { isPhotograph, LARGEST_PHOTOGRAPH_BYTES, problemOf } from "./checks";

const MIB = 1024 * 1024;

describe("batches", () => {
  it("keep the order and lose nothing", () => {
    const sizes = Array.from({ length: 100 }, (_, i) => (i % 7) * MIB);
    expect(batches(sizes, (size) => size).flat()).toEqual(sizes);
  });

  it("are bounded in bytes and in products", () => {
    const heavy = batches(Array<number>(10).fill(5 * MIB), (size) => size);
    expect(heavy.map((batch) => batch.length)).toEqual([3, 3, 3, 1]);
    const light = batches(Array<number>(60).fill(1), (size) => size);
    expect(light.map((batch) => batch.length)).toEqual([24, 24, 12]);
  });

  it("send alone what is larger than a batch", () => {
    expect(batches([1, 40 * MIB, 1], (size) => size)).toEqual([[1], [40 * MIB], [1]]);
  });

  it("are none without products", () => {
    expect(batches([], () => 0)).toEqual([]);
  });
});

describe("files", () => {
  it("are photographs by their ending, and not what systems leave behind", () => {
    expect(["a.JPG", "b/c.heic", "d.webp"].every(isPhotograph)).toBe(true);
    expect(["a.txt", ".DS_Store", "__MACOSX/a.jpg", "b/._c.jpg", "jpg"].some(isPhotograph)).toBe(false);
  });

  it("are refused before they travel if nothing is in them or too much", () => {
    expect(problemOf(0)).toBe("empty");
    expect(problemOf(LARGEST_PHOTOGRAPH_BYTES)).toBeUndefined();
    expect(problemOf(LARGEST_PHOTOGRAPH_BYTES + 1)).toBe("too_large");
  });
});
