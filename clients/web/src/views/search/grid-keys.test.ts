import { expect, test } from "vitest";
import { target } from "./grid-keys";

test("arrows lead to the neighbours in a grid of three columns", () => {
  expect(target("ArrowRight", 1, 9, 3)).toBe(2);
  expect(target("ArrowDown", 1, 9, 3)).toBe(4);
  expect(target("ArrowUp", 4, 9, 3)).toBe(1);
  expect(target("Home", 4, 9, 3)).toBe(0);
  expect(target("End", 4, 9, 3)).toBe(8);
});

test("at an edge, and with other keys, the focus stays", () => {
  expect(target("ArrowLeft", 0, 9, 3)).toBeUndefined();
  expect(target("ArrowDown", 7, 9, 3)).toBeUndefined();
  expect(target("a", 4, 9, 3)).toBeUndefined();
});
