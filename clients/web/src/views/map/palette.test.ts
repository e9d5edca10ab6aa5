import { describe, expect, it } from "vitest";
import { css, type Packed, paletteOf } from "./palette";

const RING = Array.from({ length: 30 }, (_, i) => ({
  x: 0.5 + 0.4 * Math.cos((i / 30) * 2 * Math.PI),
  y: 0.5 + 0.4 * Math.sin((i / 30) * 2 * Math.PI),
}));

/** WCAG's relative luminance. */
function luminance(colour: Packed): number {
  const linear = (value: number) => {
    const share = (value & 255) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour) + 0.7152 * linear(colour >> 8) + 0.0722 * linear(colour >> 16);
}

describe("the colours of neighbourhoods", () => {
  it("differ between neighbours", () => {
    for (const dark of [false, true]) {
      const { clusters } = paletteOf(RING, dark);
      for (let i = 0; i < RING.length; i++) {
        expect(clusters[i]).not.toBe(clusters[(i + 1) % RING.length]);
        expect(clusters[i]).not.toBe(clusters[(i + 2) % RING.length]);
      }
    }
  });

  it("stand out against a light page and against a dark one", () => {
    const onWhite = paletteOf(RING, false).clusters;
    for (const colour of onWhite) expect(1.05 / (luminance(colour) + 0.05)).toBeGreaterThan(3);
    const onBlack = paletteOf(RING, true).clusters;
    for (const colour of onBlack) expect((luminance(colour) + 0.05) / 0.06).toBeGreaterThan(3);
  });

  it("are the same for the same map", () => {
    expect(paletteOf(RING, true)).toEqual(paletteOf(RING, true));
  });

  it("are opaque, and written as style sheets want them", () => {
    const { lonely } = paletteOf([], false);
    expect(lonely >>> 24).toBe(255);
    expect(css(0xff112233)).toBe("rgb(51 34 17)");
  });
});
