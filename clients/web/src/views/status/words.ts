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
