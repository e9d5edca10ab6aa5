import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb";
import type { Status } from "../../gen/google/rpc/status_pb";
import { type ImageFailure, IngestStage } from "../../gen/lookalike/type/v1/product_pb";

/** Why a photograph or a product could not be used, for this page to put into words. */
export interface Failure {
  /** An `ErrorReason` without its prefix; empty if the server gave none. */
  readonly reason: string;
  readonly stage: Stage;
  /** The server's own words, in English: shown where the page has none. */
  readonly message: string;
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

const ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo";

/** Why a photograph failed. */
export function failureOfImage(failure: ImageFailure): Failure {
  return {
    reason: reasonOf(failure.status),
    stage: STAGES[failure.stage] ?? "none",
    message: failure.status?.message ?? "",
    retryable: failure.retryable,
  };
}

/** Why a product was refused. What its photographs say decides whether to try again. */
export function failureOfProduct(status: Status | undefined, images: readonly ImageFailure[]): Failure {
  return {
    reason: reasonOf(status),
    stage: "none",
    message: status?.message ?? "",
    retryable: images.some((image) => image.retryable),
  };
}

function reasonOf(status: Status | undefined): string {
  const info = status?.details.find((detail) => detail.typeUrl === ERROR_INFO);
  return info ? fromBinary(ErrorInfoSchema, info.value).reason : "";
}
