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
