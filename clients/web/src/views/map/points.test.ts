import { describe, expect, it } from "vitest";
import { PointsBuilder } from "./points";

describe("the points of a map", () => {
  it("are read from pairs of little-endian numbers, message after message", () => {
    const builder = new PointsBuilder();
    builder.add({
      productIds: ["a", "b"],
      xyU16: Uint8Array.of(0x00, 0x00, 0xff, 0xff, 0x00, 0x80, 0x01, 0x00),
      clusters: [0, -1],
    });
    builder.add({ productIds: ["c"], xyU16: Uint8Array.of(0xff, 0xff, 0, 0), clusters: [3] });
    const points = builder.build();
    expect(points.ids).toEqual(["a", "b", "c"]);
    expect([...points.xs]).toEqual([0, Math.fround(0x8000 / 0xffff), 1]);
    expect([...points.ys]).toEqual([1, Math.fround(1 / 0xffff), 0]);
    expect([...points.clusters]).toEqual([0, -1, 3]);
  });

  it("are read from the middle of a larger buffer, at any alignment", () => {
    const message = Uint8Array.of(9, 9, 9, 0xff, 0xff, 0x00, 0x00, 9);
    const builder = new PointsBuilder();
    builder.add({ productIds: ["a"], xyU16: message.subarray(3, 7), clusters: [0] });
    expect(builder.build().xs[0]).toBe(1);
  });

  it("are refused when the columns are not of one length", () => {
    const builder = new PointsBuilder();
    const broken = { productIds: ["a"], xyU16: Uint8Array.of(1, 2, 3), clusters: [0] };
    expect(() => builder.add(broken)).toThrow(RangeError);
  });
});
