import type { Packed } from "./palette";
import { entry, type Points } from "./points";

/** A picture of 32-bit pixels: a view of the bytes of an `ImageData`. */
export interface Raster {
  readonly pixels: Uint32Array;
  readonly width: number;
  readonly height: number;
}

/** From the map to pixels of the raster. */
export interface Placement {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/**
 * Draws discs into a raster by hand: one pass over typed arrays. A 2-D context needs a path for
 * each disc, which at 140,000 of them takes ten times as long and drops frames on a phone.
 */
export function drawDots(
  raster: Raster,
  points: Points,
  visible: Uint32Array,
  count: number,
  placement: Placement,
  radius: number,
  colours: Uint32Array,
  lonely: Packed,
): void {
  const { pixels, width, height } = raster;
  const { xs, ys, clusters } = points;
  const stamp = stampOf(radius);
  const { side, cover } = stamp;
  const half = (side - 1) / 2;
  for (let n = 0; n < count; n++) {
    const i = entry(visible, n);
    const left = Math.round(entry(xs, i) * placement.scale + placement.left - half);
    const top = Math.round(entry(ys, i) * placement.scale + placement.top - half);
    if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
    const cluster = entry(clusters, i);
    const colour = cluster < 0 ? lonely : entry(colours, cluster % colours.length);
    let at = top * width + left;
    for (let row = 0, c = 0; row < side; row++, at += width - side) {
      for (let column = 0; column < side; column++, at++, c++) {
        const alpha = entry(cover, c);
        if (alpha === 255) pixels[at] = colour;
        // A rim over a disc would need blending; that it stays as it is cannot be seen.
        else if (alpha > 0 && entry(pixels, at) >>> 24 < alpha) {
          pixels[at] = ((colour & 0xffffff) | (alpha << 24)) >>> 0;
        }
      }
    }
  }
}

/** The radius in CSS pixels: small where many are seen, never smaller than can be seen. */
export function radiusFor(visibleCount: number, zoom: number): number {
  const crowd = visibleCount > 50_000 ? 1 : visibleCount > 10_000 ? 1.5 : visibleCount > 2000 ? 2.5 : 4;
  return Math.min(crowd + Math.log2(Math.max(zoom, 1)) * 0.4, 7);
}

interface Stamp {
  readonly side: number;
  readonly cover: Uint8Array;
}

/** How much of each pixel a disc covers, 0 to 255, with a rim one pixel wide. */
export function stampOf(radius: number): Stamp {
  const side = 2 * Math.ceil(Math.max(radius - 0.5, 0)) + 1;
  const half = (side - 1) / 2;
  const cover = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = radius + 0.5 - Math.hypot(x - half, y - half);
      cover[y * side + x] = Math.round(Math.min(Math.max(inside, 0), 1) * 255);
    }
  }
  return { side, cover };
}
