import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { AppError } from "../api/errors";
import { retryDelay } from "./retry-delay";

const error = (over: Partial<AppError>): AppError => ({
  code: Code.Unavailable,
  reason: "UPSTREAM_UNAVAILABLE",
  metadata: {},
  message: "",
  retryable: true,
  ...over,
});

test("the wait is never shorter than the server asked for", () => {
  expect(retryDelay(error({ retryAfterMs: 40_000 }), 0)).toBe(40_000);
});

test("each try waits longer, up to a limit", () => {
  const waits = [0, 1, 2, 20].map((tries) => retryDelay(error({}), tries));
  expect(waits).toEqual([2_000, 3_000, 4_500, 15_000]);
});

test("what waiting does not mend is not tried again by itself", () => {
  expect(retryDelay(error({ retryable: false }), 0)).toBeNull();
  expect(retryDelay(error({ reason: "INTERNAL", code: Code.Internal }), 0)).toBeNull();
});
