import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb";
import { StatusSchema } from "../gen/google/rpc/status_pb";
import { statusToAppError, toAppError } from "./errors";

const warming = create(ErrorInfoSchema, {
  reason: "WARMING_UP",
  domain: "lookalike.dev",
  metadata: { service: "embedder", warm_up_fraction: "0.4" },
});
const soon = create(RetryInfoSchema, {
  retryDelay: create(DurationSchema, { seconds: 2n, nanos: 500_000_000 }),
});

function refused(
  code: Code,
  ...details: { desc: typeof ErrorInfoSchema; value: typeof warming }[]
): ConnectError {
  const error = new ConnectError("warming up", code);
  error.details = [
    ...details.map(({ desc, value }) => ({ type: desc.typeName, value: toBinary(desc, value) })),
    { type: RetryInfoSchema.typeName, value: toBinary(RetryInfoSchema, soon) },
  ];
  return error;
}

test("an error of the server keeps its reason, its values and its wait", () => {
  const error = toAppError(refused(Code.Unavailable, { desc: ErrorInfoSchema, value: warming }));
  expect(error).toMatchObject({
    reason: "WARMING_UP",
    metadata: { service: "embedder", warm_up_fraction: "0.4" },
    retryAfterMs: 2500,
    retryable: true,
  });
});

test("a failed fetch is told as the network's", () => {
  const error = toAppError(ConnectError.from(new TypeError("Failed to fetch")));
  expect(error.reason).toBe("NETWORK");
  expect(error.retryable).toBe(true);
});

test("a proxy's answer without details is the network's too", () => {
  expect(toAppError(new ConnectError("no healthy upstream", Code.Unavailable)).reason).toBe("NETWORK");
});

test("a field that the server refuses is named, and not tried again", () => {
  const error = new ConnectError("invalid", Code.InvalidArgument);
  const violation = create(BadRequestSchema, {
    fieldViolations: [{ field: "page_size", description: "is 0" }],
  });
  const info = create(ErrorInfoSchema, { reason: "FIELD_INVALID" });
  error.details = [
    { type: ErrorInfoSchema.typeName, value: toBinary(ErrorInfoSchema, info) },
    { type: BadRequestSchema.typeName, value: toBinary(BadRequestSchema, violation) },
  ];
  expect(toAppError(error)).toMatchObject({ metadata: { detail: "page_size: is 0" }, retryable: false });
});

test("what was thrown by anything else has no reason", () => {
  expect(toAppError(new Error("oops"))).toMatchObject({ reason: "UNKNOWN", retryable: false });
});

test("a deadline that passed says so, whoever noticed it", () => {
  const error = toAppError(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  expect(error).toMatchObject({ reason: "DEADLINE_PASSED", retryable: true });
});

test("a mistake of the page itself is not told as the network's", () => {
  expect(toAppError(new TypeError("x is undefined"))).toMatchObject({ reason: "UNKNOWN", retryable: false });
});

test("an error that was read already is left as it is", () => {
  const error = toAppError(new Error("oops"));
  expect(toAppError(error)).toBe(error);
});

test("a status inside an answer is read like an error", () => {
  const status = create(StatusSchema, {
    code: Code.Unavailable,
    message: "warming up",
    details: [anyPack(ErrorInfoSchema, warming), anyPack(RetryInfoSchema, soon)],
  });
  expect(statusToAppError(status)).toMatchObject({
    reason: "WARMING_UP",
    retryAfterMs: 2500,
    retryable: true,
  });
});
