import { expect, test } from "vitest";
import { ago } from "./ago";

test("how long ago something was is told in the largest unit that fits", () => {
  const now = 1_000_000_000;
  expect(ago(now, now, "en")).toBe("now");
  expect(ago(now - 59_000, now, "en")).toBe("59 seconds ago");
  expect(ago(now - 3 * 3_600_000, now, "en")).toBe("3 hours ago");
  expect(ago(now - 26 * 3_600_000, now, "es")).toBe("ayer");
  expect(ago(now + 5000, now, "en")).toBe("now");
});
