import { create } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ListFacetsResponseSchema } from "../gen/lookalike/gateway/v1/search_pb";
import { facetsOf, valuesShown } from "./facet-values";

const text = (value: string) => create(ValueSchema, { kind: { case: "stringValue", value } });

test("features come in the page's order, with their counts as numbers", () => {
  const response = create(ListFacetsResponseSchema, {
    facets: [
      { field: "type", values: [{ value: text("dress"), productCount: 3n }] },
      { field: "colour", values: [{ value: text("Red"), productCount: 2n }] },
    ],
  });
  const facets = facetsOf(response);
  expect(facets.map(({ feature }) => feature)).toEqual([
    "colour",
    "category",
    "type",
    "pattern",
    "season",
    "person",
  ]);
  expect(facets[0]?.values).toEqual([{ value: "Red", count: 2 }]);
});

test("a value that is no text is left out", () => {
  const size = create(ValueSchema, { kind: { case: "numberValue", value: 42 } });
  const response = create(ListFacetsResponseSchema, {
    facets: [{ field: "type", values: [{ value: size, productCount: 1n }] }],
  });
  expect(facetsOf(response)[2]?.values).toEqual([]);
});

test("a chosen value stays to be taken back when nothing has it any more", () => {
  const facet = { feature: "colour" as const, values: [{ value: "Red", count: 2 }] };
  expect(valuesShown(facet, ["red", "teal"])).toEqual([
    { value: "Red", count: 2 },
    { value: "teal", count: 0 },
  ]);
});
