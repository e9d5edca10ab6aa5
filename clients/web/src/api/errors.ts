import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb";
import type { Status } from "../gen/google/rpc/status_pb";

/** A failure as the page speaks of it. */
export interface AppError {
  code: Code;
  /** As in `lookalike.type.v1.ErrorReason`; NETWORK: no answer at all; UNKNOWN: none was given. */
  reason: string;
  /** What the reason is about: `service`, `request_id`, `warm_up_fraction`… */
  metadata: Record<string, string>;
  /** What the server wrote, for developers. */
  message: string;
  /** When the server thinks it can answer. */
  retryAfterMs?: number;
  /** True if the same call may work later. */
  retryable: boolean;
}

const LATER = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Canceled,
]);
/** What a code says by itself: neither the browser nor the transport of the services gives a reason. */
const BARE = new Map([
  [Code.DeadlineExceeded, "DEADLINE_PASSED"],
  [Code.Canceled, "CALL_CANCELLED"],
]);
/** The size of a message does not change by waiting. */
const NEVER = new Set(["MESSAGE_TOO_LARGE", "CREDIT_EXCEEDED"]);

/** What a failed call means; anything that was thrown may be given. */
export function toAppError(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema)[0];
  const retry = error.findDetails(RetryInfoSchema)[0];
  // The browser tells a failed fetch as a TypeError, which the client wraps: a bare one is a mistake of the
  // page. A proxy's bare 503 comes without details.
  const failedFetch = thrown instanceof ConnectError && error.cause instanceof TypeError;
  const network = !info && (failedFetch || error.code === Code.Unavailable);
  const [violations] = error.findDetails(BadRequestSchema);
  return made(error.code, error.rawMessage, info, retry, network ? "NETWORK" : undefined, violations);
}

/** What a status inside an answer means: of an image that failed, or of a service that is down. */
export function statusToAppError(status: Status): AppError {
  const unpack = <T>(find: (detail: Any) => T | undefined): T | undefined => {
    for (const detail of status.details) {
      const found = find(detail);
      if (found) return found;
    }
    return undefined;
  };
  const info = unpack((detail) => anyUnpack(detail, ErrorInfoSchema));
  const retry = unpack((detail) => anyUnpack(detail, RetryInfoSchema));
  const violations = unpack((detail) => anyUnpack(detail, BadRequestSchema));
  return made(status.code, status.message, info, retry, undefined, violations);
}

/** An error that the page itself found, before asking anybody. */
export function localError(reason: string, metadata: Record<string, string> = {}): AppError {
  return { code: Code.InvalidArgument, reason, metadata, message: reason, retryable: false };
}

function made(
  code: Code,
  message: string,
  info: ErrorInfo | undefined,
  retry: RetryInfo | undefined,
  otherwise: string | undefined,
  violations: BadRequest | undefined,
): AppError {
  const reason = info?.reason || otherwise || BARE.get(code) || "UNKNOWN";
  const metadata = { ...info?.metadata };
  const first = violations?.fieldViolations[0];
  if (first && !metadata.detail) metadata.detail = `${first.field}: ${first.description}`;
  const delay = retry?.retryDelay;
  return {
    code,
    reason,
    metadata,
    message,
    retryAfterMs: delay ? Number(delay.seconds) * 1000 + Math.round(delay.nanos / 1e6) : undefined,
    retryable: (LATER.has(code) || reason === "NETWORK" || reason === "INTERNAL") && !NEVER.has(reason),
  };
}

function isAppError(value: unknown): value is AppError {
  return typeof value === "object" && value !== null && "retryable" in value && "reason" in value;
}
