import { expect, test } from "vitest";
import { EMPTY, isChosen, isEmpty, type Part, toggleFilter, withoutPart, withPart } from "./query";

const like: Part = { kind: "like", productId: "sku-1", weight: 1 };

test("the same thing said again replaces what was said before", () => {
  const twice = withPart(withPart(EMPTY, like), { ...like, weight: -1 });
  expect(twice.parts).toEqual([{ ...like, weight: -1 }]);
  expect(withoutPart(twice, like).parts).toEqual([]);
});

test("a chosen value is chosen however it is spelt, and a last value leaves no trace", () => {
  const red = toggleFilter(EMPTY, "colour", "Red");
  expect(isChosen(red, "colour", " red ")).toBe(true);
  expect(isEmpty(red)).toBe(false);
  expect(toggleFilter(red, "colour", "RED")).toEqual(EMPTY);
});
