import { describe, expect, it } from "vitest";
import { curve, type Sample, WINDOW_MS, withSample } from "./samples";

function sample(atMs: number, searchesPerS = 0): Sample {
  return { atMs, searchesPerS, searchP95Ms: 0, productsPerS: 0, imagesPerS: 0, errorsPerS: 0 };
}

describe("the status page's memory", () => {
  it("holds the last minutes and forgets the rest", () => {
    let samples: Sample[] = [];
    for (let atMs = 0; atMs <= 2 * WINDOW_MS; atMs += 5000) samples = withSample(samples, sample(atMs));
    expect(samples).toHaveLength(WINDOW_MS / 5000);
    expect(samples[0]?.atMs).toBe(WINDOW_MS + 5000);
  });
});

describe("a curve", () => {
  it("ends at the right edge, with its largest value at the top", () => {
    const samples = [sample(0, 1), sample(10_000, 4), sample(20_000, 0)];
    expect(curve(samples, "searchesPerS", 300, 40)).toBe("M200 30L250 0L300 40");
  });

  it("lies on the floor while nothing happens", () => {
    expect(curve([sample(0), sample(5000)], "errorsPerS", 300, 40)).toBe("M275 40L300 40");
  });

  it("is broken where nothing was asked", () => {
    const samples = [sample(0, 1), sample(5000, 1), sample(65_000, 1)];
    expect(curve(samples, "searchesPerS", 300, 40)).toBe("M0 0L23.1 0M300 0");
  });

  it("is nothing before the first answer", () => {
    expect(curve([], "searchesPerS", 300, 40)).toBe("");
  });
});
