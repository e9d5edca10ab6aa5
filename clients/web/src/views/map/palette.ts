/** A colour as a canvas buffer holds it (alpha, blue, green, red from the highest byte). */
export type Packed = number;

export interface Placed {
  readonly x: number;
  readonly y: number;
}

interface Shade {
  readonly lightness: number;
  readonly chroma: number;
}

const HUES = 12;
/** Both stand out against the page in their scheme: 3 : 1 at least, as graphics need. */
const SHADES: Record<"light" | "dark", readonly Shade[]> = {
  light: [
    { lightness: 0.58, chroma: 0.13 },
    { lightness: 0.45, chroma: 0.1 },
  ],
  dark: [
    { lightness: 0.75, chroma: 0.12 },
    { lightness: 0.62, chroma: 0.13 },
  ],
};
/** Products that belong to no neighbourhood. */
const LONELY: Record<"light" | "dark", number> = { light: 0.68, dark: 0.5 };
/** Neighbours that matter when a colour is chosen: more would only repeat the far ones. */
const NEIGHBOURS = 8;

/** Colours of the neighbourhoods, and after them that of points without one. */
export interface Palette {
  readonly clusters: Uint32Array;
  readonly lonely: Packed;
}

/**
 * Gives each neighbourhood the colour that differs most from those near it. There are more
 * neighbourhoods than colours that people tell apart, so far ones share; the words tell the rest.
 */
export function paletteOf(places: readonly Placed[], dark: boolean): Palette {
  const scheme = dark ? "dark" : "light";
  const colours = SHADES[scheme].flatMap((shade) =>
    Array.from({ length: HUES }, (_, hue) => lab(shade, (hue / HUES) * 2 * Math.PI)),
  );
  const chosen: Lab[] = [];
  places.forEach((place, at) => {
    const near = places
      .slice(0, at)
      .map((other, i) => ({ colour: chosen[i] as Lab, away: apart(place, other) }))
      .sort((p, q) => p.away - q.away)
      .slice(0, NEIGHBOURS);
    let best = colours[at % colours.length] as Lab;
    let bestWorst = -1;
    for (const colour of colours) {
      // Far neighbours may look more alike than near ones.
      const worst = Math.min(...near.map((n) => difference(colour, n.colour) * (0.2 + n.away)), 9);
      if (worst > bestWorst + 1e-9) {
        best = colour;
        bestWorst = worst;
      }
    }
    chosen.push(best);
  });
  return {
    clusters: Uint32Array.from(chosen, pack),
    lonely: pack([LONELY[scheme], 0, 0]),
  };
}

/** As style sheets and 2-D contexts write it. */
export function css(colour: Packed): string {
  return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
}

type Lab = readonly [number, number, number];

function lab({ lightness, chroma }: Shade, hue: number): Lab {
  return [lightness, chroma * Math.cos(hue), chroma * Math.sin(hue)];
}

function difference(p: Lab, q: Lab): number {
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

function apart(p: Placed, q: Placed): number {
  return Math.hypot(p.x - q.x, p.y - q.y);
}

/** From Oklab to sRGB. Source: Björn Ottosson, "A perceptual color space for image processing". */
function pack([lightness, a, b]: Lab): Packed {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const red = channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
  const green = channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
  const blue = channel(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function channel(linear: number): number {
  const inside = Math.min(Math.max(linear, 0), 1);
  const curved = inside <= 0.0031308 ? 12.92 * inside : 1.055 * inside ** (1 / 2.4) - 0.055;
  return Math.round(curved * 255);
}
