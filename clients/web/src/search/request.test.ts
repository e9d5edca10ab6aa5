import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SearchProductsRequestSchema } from "../gen/lookalike/gateway/v1/search_pb";
import { Garment } from "../gen/lookalike/type/v1/garment_pb";
import { EMPTY, type Query } from "./query";
import { requestOf } from "./request";

const sha256 = "a".repeat(64);
const request = (query: Query, photos = new Map<string, Uint8Array>()) =>
  create(SearchProductsRequestSchema, requestOf(query, photos, ""));

test("what is typed with a not leads away, at half weight", () => {
  const { parts } = request({ ...EMPTY, text: "striped, not blue" });
  expect(parts.map(({ part, weight }) => [part.value, weight])).toEqual([
    ["striped", 1],
    ["blue", -0.5],
  ]);
});

test("a photograph goes with its bytes and the garment that was chosen", () => {
  const photos = new Map([[sha256, new Uint8Array([1, 2, 3])]]);
  const query: Query = { ...EMPTY, parts: [{ kind: "photo", sha256, garment: "lower", weight: 2 }] };
  const part = request(query, photos).parts[0];
  expect(part?.part.case).toBe("image");
  if (part?.part.case !== "image") return;
  expect(part.part.value.garment).toBe(Garment.LOWER);
  expect(part.part.value.image?.source.value).toEqual(new Uint8Array([1, 2, 3]));
});

test("a photograph that is not at hand and a part without weight are not sent", () => {
  const query: Query = {
    ...EMPTY,
    parts: [
      { kind: "photo", sha256, weight: 1 },
      { kind: "like", productId: "sku-1", weight: 0 },
    ],
  };
  expect(request(query).parts).toEqual([]);
});

test("values of one feature are alternatives, features must all hold", () => {
  const { filter } = request({ ...EMPTY, filters: { colour: ["red", "blue"], person: ["women"] } });
  expect(filter?.conditions.map((condition) => condition.field)).toEqual(["colour", "person"]);
  const colour = filter?.conditions[0]?.test;
  expect(colour?.case === "anyOf" && colour.value.values.map((value) => value.kind.value)).toEqual([
    "red",
    "blue",
  ]);
});
