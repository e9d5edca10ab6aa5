import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type GetMapResponse, GetMapResponseSchema, MapService } from "../../gen/lookalike/gateway/v1/map_pb";
import { readAtlas } from "./atlas";

/** A gateway in this process whose map has one product, and what it was asked. */
function gateway() {
  const asked: string[] = [];
  let missing = 0n;
  const transport = createRouterTransport(({ service }) => {
    service(MapService, {
      async *getMap({ knownMapId }): AsyncGenerator<GetMapResponse> {
        asked.push(knownMapId);
        const clusters = [{ words: ["skirts"], x: 0.5, y: 0.5, radius: 0.1, productCount: 1n }];
        const header = { mapId: "map-1", productCount: 1n, missingCount: missing++, clusters };
        yield create(GetMapResponseSchema, { message: { case: "header", value: header } });
        if (knownMapId === "map-1") return;
        const points = { productIds: ["sku-1"], xyU16: Uint8Array.of(255, 255, 0, 0), clusters: [0] };
        yield create(GetMapResponseSchema, { message: { case: "points", value: points } });
      },
    });
  });
  return { client: createClient(MapService, transport), asked };
}

describe("the map", () => {
  it("is read once, and afterwards only what may have changed of it", async () => {
    const { client, asked } = gateway();
    const signal = new AbortController().signal;
    const first = await readAtlas(client, signal);
    expect(first.points.ids).toEqual(["sku-1"]);
    expect(first.places.get("sku-1")).toBe(0);
    expect(first.clusters[0]).toEqual({
      words: ["skirts"],
      x: 0.5,
      y: 0.5,
      radius: expect.closeTo(0.1),
      count: 1,
    });
    const second = await readAtlas(client, signal);
    expect(asked).toEqual(["", "map-1"]);
    expect(second.points).toBe(first.points);
    expect([first.missing, second.missing]).toEqual([0, 1]);
  });
});
