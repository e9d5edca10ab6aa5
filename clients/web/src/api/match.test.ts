import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SearchResultSchema } from "../gen/lookalike/gateway/v1/search_pb";
import { ProductImageSchema, ProductSchema } from "../gen/lookalike/type/v1/product_pb";
import { attributeTexts, closeness, imageUrl, toMatch } from "./match";

const product = create(ProductSchema, {
  productId: "sku-1",
  attributes: { colour: ["red", "blue"], category: "Dresses", price: 12, sale: true },
  images: [{ sha256: "aa" }, { sha256: "bb" }],
});

test("a result without a probability has none, not zero", () => {
  expect(toMatch(create(SearchResultSchema, { product }))?.probability).toBeUndefined();
});

test("a best photograph that the product does not have is the first", () => {
  expect(toMatch(create(SearchResultSchema, { product, bestImageIndex: 7 }))?.bestImage).toBe(0);
  expect(toMatch(create(SearchResultSchema, { product, bestImageIndex: 1 }))?.bestImage).toBe(1);
});

test("attributes are lists, single values, or not there", () => {
  expect(attributeTexts(product, "colour")).toEqual(["red", "blue"]);
  expect(attributeTexts(product, "price")).toEqual(["12"]);
  expect(attributeTexts(product, "sale")).toEqual(["true"]);
  expect(attributeTexts(product, "season")).toEqual([]);
});

test("the server's word that a match is weak outweighs its number", () => {
  expect(closeness(0.95, true)).toBe("weak");
  expect(closeness(0.95, false)).toBe("very");
  expect(closeness(0.6, false)).toBe("close");
  expect(closeness(0.2, false)).toBe("some");
});

test("a stored photograph is asked for by size, one known by address by its address", () => {
  expect(imageUrl(create(ProductImageSchema, { sha256: "ab", sizeBytes: 9n }), 320)).toBe(
    "/images/ab?max_side_px=320",
  );
  expect(imageUrl(create(ProductImageSchema, { uri: "https://shop.example/a.jpg" }), 320)).toBe(
    "https://shop.example/a.jpg",
  );
});

test("an address that is not of the web is not followed", () => {
  expect(imageUrl(create(ProductImageSchema, { uri: "javascript:alert(1)" }), 320)).toBe("");
});
