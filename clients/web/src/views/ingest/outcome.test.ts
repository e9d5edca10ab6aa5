import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb";
import { StatusSchema } from "../../gen/google/rpc/status_pb";
import { ImageFailureSchema, IngestStage } from "../../gen/lookalike/type/v1/product_pb";
import { failureOfImage, failureOfProduct } from "./outcome";

function status(reason: string) {
  const info = create(ErrorInfoSchema, { reason, domain: "lookalike.dev" });
  return create(StatusSchema, { code: 3, message: "damaged", details: [anyPack(ErrorInfoSchema, info)] });
}

describe("what failed", () => {
  it("is told with its reason and the stage it failed at", () => {
    const image = create(ImageFailureSchema, {
      stage: IngestStage.DECODE,
      status: status("IMAGE_TRUNCATED"),
    });
    expect(failureOfImage(image)).toMatchObject({
      error: { reason: "IMAGE_TRUNCATED" },
      stage: "decode",
      retryable: false,
    });
  });

  it("may be tried again if a photograph of the product may", () => {
    const image = create(ImageFailureSchema, { stage: IngestStage.EMBED, retryable: true });
    expect(failureOfProduct(status("NO_USABLE_IMAGE"), [image]).retryable).toBe(true);
    expect(failureOfProduct(status("NO_USABLE_IMAGE"), []).retryable).toBe(false);
  });

  it("is told as unknown where the server gave no reason", () => {
    const bare = create(StatusSchema, { code: 3, message: "it broke" });
    expect(failureOfProduct(bare, []).error).toMatchObject({ reason: "UNKNOWN", message: "it broke" });
    expect(failureOfProduct(undefined, []).error.reason).toBe("UNKNOWN");
  });
});
