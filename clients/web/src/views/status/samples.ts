/** What is remembered of one answer of the status call. */
export interface Sample {
  readonly atMs: number;
  readonly searchesPerS: number;
  readonly searchP95Ms: number;
  readonly productsPerS: number;
  readonly imagesPerS: number;
  readonly errorsPerS: number;
}

export type Measure = Exclude<keyof Sample, "atMs">;

/** How far back the small curves reach. */
export const WINDOW_MS = 5 * 60_000;
/** Until so much is known the curve begins in the middle of its field. */
const SHORTEST_MS = 60_000;
/** Beyond this pause between two answers nothing is known of the time between. */
const GAP_MS = 20_000;

/** Adds a sample and forgets what is too old. */
export function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  return [...samples.filter(({ atMs }) => atMs > sample.atMs - WINDOW_MS), sample];
}

/**
 * The curve of a measure as SVG path data, newest on the right edge, zero on the floor, the largest
 * value at the top; broken where nothing was asked (a hidden tab, say).
 */
export function curve(samples: readonly Sample[], of: Measure, width: number, height: number): string {
  const newest = samples.at(-1);
  if (!newest) return "";
  const knownMs = newest.atMs - (samples[0] ?? newest).atMs;
  const shownMs = Math.min(Math.max(knownMs, SHORTEST_MS), WINDOW_MS);
  const top = Math.max(...samples.map((sample) => sample[of]), 1e-9);
  let previousMs = Number.NEGATIVE_INFINITY;
  return samples
    .map((sample) => {
      const x = width * (1 - (newest.atMs - sample.atMs) / shownMs);
      const y = height * (1 - sample[of] / top);
      const command = sample.atMs - previousMs > GAP_MS ? "M" : "L";
      previousMs = sample.atMs;
      return `${command}${rounded(x)} ${rounded(y)}`;
    })
    .join("");
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
