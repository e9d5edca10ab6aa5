import { describe, expect, it } from "vitest";
import { ago, duration, rate } from "./words";

describe("figures in words", () => {
  it("show rates with the digits that matter", () => {
    expect([0, 0.034, 1.26, 48.3].map((value) => rate(value, "en"))).toEqual(["0", "0.03", "1.3", "48"]);
    expect(rate(1.26, "es")).toBe("1,3");
  });

  it("show durations in the unit that people expect", () => {
    expect([0.42, 12.4, 1340].map((value) => duration(value, "en"))).toEqual(["0.4 ms", "12 ms", "1.3 sec"]);
  });

  it("tell how long ago something was", () => {
    const now = 1_000_000_000;
    expect(ago(now, now, "en")).toBe("now");
    expect(ago(now - 59_000, now, "en")).toBe("59 seconds ago");
    expect(ago(now - 3 * 3_600_000, now, "en")).toBe("3 hours ago");
    expect(ago(now - 26 * 3_600_000, now, "es")).toBe("ayer");
    expect(ago(now + 5000, now, "en")).toBe("now");
  });
});
