/** Rates differ by orders of magnitude: two digits that matter, none that do not. */
export function rate(perS: number, language: string): string {
  const digits = perS >= 10 ? 0 : perS >= 1 ? 1 : 2;
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(perS);
}

/** A duration as people read it: `0.4 ms`, `12 ms`, `1.3 s`. */
export function duration(ms: number, language: string): string {
  const [value, unit] = ms >= 1000 ? [ms / 1000, "second"] : [ms, "millisecond"];
  const digits = value >= 10 ? 0 : 1;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: digits,
  }).format(value);
}

const STEPS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** How long ago, in the largest unit that fits: `3 hours ago`. */
export function ago(thenMs: number, nowMs: number, language: string): string {
  const passedS = Math.max(Math.round((nowMs - thenMs) / 1000), 0);
  const [unit, lengthS] = STEPS.find(([, length]) => passedS >= length) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return format.format(-Math.floor(passedS / lengthS), unit);
}
