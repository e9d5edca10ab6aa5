import { expect, test } from "vitest";
import { suggestionsFrom } from "./suggestions";

const counted = (...values: string[]) => values.map((value) => ({ value, count: 1 }));

test("suggestions pair the commonest kinds with the commonest colours", () => {
  const facets = [
    { feature: "colour" as const, values: counted("Blue", "black") },
    { feature: "category" as const, values: counted("Pants", "Hoodies & Sweatshirts", "Tees", "Shorts") },
  ];
  expect(suggestionsFrom(facets)).toEqual(["blue pants", "black tees", "blue shorts"]);
});

test("without colours the kinds stand alone, and without kinds there is nothing to suggest", () => {
  expect(suggestionsFrom([{ feature: "category", values: counted("Dresses") }])).toEqual(["dresses"]);
  expect(suggestionsFrom([])).toEqual([]);
});
