import { expect, test } from "vitest";
import { EMPTY, type Query } from "./query";
import { queryFromParams, urlOf } from "./url";

const read = (url: string): Query => queryFromParams(new URL(url, "http://page.invalid").searchParams);
const sha256 = "0123456789abcdef".repeat(4);

test("a search survives its address, whatever it is made of", () => {
  const query: Query = {
    text: "summer dress & more + 50 %",
    parts: [
      { kind: "text", text: "stripes", weight: -0.5 },
      { kind: "like", productId: "luma:MH01:Black", weight: 1 },
      { kind: "like", productId: "ends~2", weight: 1 },
      { kind: "photo", sha256, garment: "upper", weight: 1.5 },
      { kind: "photo", sha256: "f".repeat(64), garment: undefined, weight: 0 },
    ],
    filters: { colour: ["light blue", "red"], category: ["Jackets & Coats"] },
    pageSize: 12,
  };
  expect(read(urlOf(query))).toEqual(query);
});

test("nothing asked for is the bare address", () => {
  expect(urlOf(EMPTY)).toBe("/");
  expect(urlOf({ ...EMPTY, text: "  " })).toBe("/");
});

test("a weight of 1 is not written", () => {
  const url = urlOf({ ...EMPTY, parts: [{ kind: "like", productId: "sku-1", weight: 1 }] });
  expect(url).toBe("/?like=sku-1");
});

test("what makes no sense in a link is left out", () => {
  expect(read("/?photo=../etc&like=&text=~2&like=a~99&k=-3").parts).toEqual([]);
  expect(read("/?k=0").pageSize).toBeUndefined();
  expect(read("/?k=5000").pageSize).toBe(100);
});

test("what a link says twice counts once, as said last", () => {
  expect(read("/?like=a&like=b&like=a~-1&colour=red&colour=Red&colour=blue")).toMatchObject({
    parts: [
      { kind: "like", productId: "a", weight: -1 },
      { kind: "like", productId: "b", weight: 1 },
    ],
    filters: { colour: ["red", "blue"] },
  });
});

test("a weight finer than a hundredth is rounded, so that it is still one when the link is written", () => {
  expect(urlOf(read("/?text=stripes~-0.00000001"))).toBe("/?text=stripes~0");
  expect(urlOf(read("/?text=stripes~0.333333"))).toBe("/?text=stripes~0.33");
});
