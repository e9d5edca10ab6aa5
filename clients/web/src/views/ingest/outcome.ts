import { type AppError, localError, statusToAppError } from "../../api/errors";
import type { Status } from "../../gen/google/rpc/status_pb";
import { type ImageFailure, IngestStage } from "../../gen/lookalike/type/v1/product_pb";

/** Why a photograph or a product could not be used. */
export interface Failure {
  readonly error: AppError;
  readonly stage: Stage;
  /** Whether sending the same again may help. */
  readonly retryable: boolean;
}

export type Stage = "none" | "fetch" | "decode" | "segment" | "embed" | "index";

const STAGES: Record<IngestStage, Stage> = {
  [IngestStage.UNSPECIFIED]: "none",
  [IngestStage.FETCH]: "fetch",
  [IngestStage.DECODE]: "decode",
  [IngestStage.SEGMENT]: "segment",
  [IngestStage.EMBED]: "embed",
  [IngestStage.INDEX]: "index",
};

/** Why a photograph failed. */
export function failureOfImage(failure: ImageFailure): Failure {
  // A newer server may know stages that this page does not.
  return {
    error: errorOf(failure.status),
    stage: STAGES[failure.stage] ?? "none",
    retryable: failure.retryable,
  };
}

/** Why a product was refused. What its photographs say decides whether to try again. */
export function failureOfProduct(status: Status | undefined, images: readonly ImageFailure[]): Failure {
  const error = errorOf(status);
  return { error, stage: "none", retryable: error.retryable || images.some((image) => image.retryable) };
}

/** Why a product's outcome is not known: its call broke off. */
export function failureOfCall(error: AppError): Failure {
  return { error, stage: "none", retryable: true };
}

function errorOf(status: Status | undefined): AppError {
  return status ? statusToAppError(status) : localError("UNKNOWN");
}
