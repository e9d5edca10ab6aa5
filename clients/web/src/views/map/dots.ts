import type { Packed } from "./palette";
import type { Points } from "./points";

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

/** Beyond so many dots their rims are not seen, and would take half of the time. */
const CROWD = 20_000;

/**
 * Draws discs into a raster by hand: one pass over typed arrays. A 2-D context needs a path for
 * each disc, which at 140,000 of them takes ten times as long and drops frames on a phone.
 *
 * The loops index their arrays directly (`as number`: they stay within their length) so that each
 * access has one kind of array, which is what lets the compiler make machine code of it.
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
  const { reach, solid, rim, rimAlpha } = stampOf(radius, width);
  const rimLength = count > CROWD ? 0 : rim.length;
  for (let n = 0; n < count; n++) {
    const i = visible[n] as number;
    const x = Math.round((xs[i] as number) * placement.scale + placement.left);
    const y = Math.round((ys[i] as number) * placement.scale + placement.top);
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    const cluster = clusters[i] as number;
    const colour = cluster < 0 ? lonely : (colours[cluster % colours.length] as number);
    const middle = y * width + x;
    for (let s = 0; s < solid.length; s++) pixels[middle + (solid[s] as number)] = colour;
    for (let r = 0; r < rimLength; r++) {
      const at = middle + (rim[r] as number);
      const alpha = rimAlpha[r] as number;
      // A rim over a disc would need blending; that it stays as it is cannot be seen.
      if ((pixels[at] as number) >>> 24 < alpha) pixels[at] = (colour & 0xffffff) | (alpha << 24);
    }
  }
}

/** The share of the usual distance of neighbours that a dot's radius takes. */
const SHARE = 0.12;

/** The radius in CSS pixels: what a screen of so many CSS pixels has room for. */
export function radiusFor(visibleCount: number, areaPx: number): number {
  return Math.min(Math.max(SHARE * Math.sqrt(areaPx / Math.max(visibleCount, 1)), 1), 6);
}

/** A disc as steps from its middle pixel, for rasters of one width. */
export interface Stamp {
  /** How far it reaches in each direction. */
  readonly reach: number;
  /** Pixels that lie in it altogether. */
  readonly solid: Int32Array;
  /** Pixels that its edge runs through, and how much of each it covers, 1 to 254. */
  readonly rim: Int32Array;
  readonly rimAlpha: Uint8Array;
}

/** A disc of a radius, with a rim one pixel wide. */
export function stampOf(radius: number, width: number): Stamp {
  const reach = Math.ceil(Math.max(radius - 0.5, 0));
  const solid: number[] = [];
  const rim: number[] = [];
  const rimAlpha: number[] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const cover = Math.round((radius + 0.5 - Math.hypot(x, y)) * 255);
      if (cover >= 255) solid.push(y * width + x);
      else if (cover > 0) {
        rim.push(y * width + x);
        rimAlpha.push(cover);
      }
    }
  }
  return {
    reach,
    solid: Int32Array.from(solid),
    rim: Int32Array.from(rim),
    rimAlpha: Uint8Array.from(rimAlpha),
  };
}
