import { describe, expect, it } from "vitest";
import { duration, rate } from "./words";

describe("figures in words", () => {
  it("show rates with the digits that matter", () => {
    expect([0, 0.034, 1.26, 48.3].map((value) => rate(value, "en"))).toEqual(["0", "0.03", "1.3", "48"]);
    expect(rate(1.26, "es")).toBe("1,3");
  });

  it("show durations in the unit that people expect", () => {
    expect([0.42, 12.4, 1340].map((value) => duration(value, "en"))).toEqual(["0.4 ms", "12 ms", "1.3 sec"]);
  });
});
