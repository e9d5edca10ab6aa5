import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb";
import { StatusSchema } from "../../gen/google/rpc/status_pb";
import { ImageFailureSchema, IngestStage } from "../../gen/lookalike/type/v1/product_pb";
import { failureOfImage, failureOfProduct } from "./outcome";

function status(reason: string) {
  const info = create(ErrorInfoSchema, { reason, domain: "lookalike.dev" });
  return create(StatusSchema, {
    code: 3,
    message: "the image is damaged",
    details: [
      {
        typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
        value: toBinary(ErrorInfoSchema, info),
      },
    ],
  });
}

describe("what failed", () => {
  it("is told with its reason and the stage it failed at", () => {
    const image = create(ImageFailureSchema, {
      imageIndex: 1,
      stage: IngestStage.DECODE,
      status: status("IMAGE_TRUNCATED"),
    });
    expect(failureOfImage(image)).toEqual({
      reason: "IMAGE_TRUNCATED",
      stage: "decode",
      message: "the image is damaged",
      retryable: false,
    });
  });

  it("may be tried again if a photograph of the product may", () => {
    const image = create(ImageFailureSchema, { stage: IngestStage.EMBED, retryable: true });
    expect(failureOfProduct(status("NO_USABLE_IMAGE"), [image]).retryable).toBe(true);
    expect(failureOfProduct(status("NO_USABLE_IMAGE"), []).retryable).toBe(false);
  });

  it("has the server's words only if the server gave no reason", () => {
    const bare = create(StatusSchema, { code: 13, message: "it broke" });
    expect(failureOfProduct(bare, [])).toMatchObject({ reason: "", message: "it broke" });
    expect(failureOfProduct(undefined, [])).toMatchObject({ reason: "", message: "" });
  });
});
