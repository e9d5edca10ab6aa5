import { expect, test } from "vitest";
import { swatchOf } from "./swatch";

const lightness = (hex = "#000000"): number =>
  [1, 3, 5].reduce((sum, at) => sum + Number.parseInt(hex.slice(at, at + 2), 16), 0);

test("colours are known in every language of the page", () => {
  expect(swatchOf("Red").tones).toEqual(swatchOf("rojo").tones);
  expect(swatchOf("Vermell").tones).toEqual(swatchOf("red").tones);
});

test("light and dark change the tone", () => {
  const [blue] = swatchOf("blue").tones;
  expect(lightness(swatchOf("light blue").tones[0])).toBeGreaterThan(lightness(blue));
  expect(lightness(swatchOf("azul marino").tones[0])).toBeLessThan(lightness(blue));
  expect(lightness(swatchOf("navy blue").tones[0])).toBeLessThan(lightness(blue));
});

test("several colours are several tones", () => {
  expect(swatchOf("black/white").tones).toHaveLength(2);
  expect(swatchOf("rojo y negro").tones).toHaveLength(2);
});

test("a name that is no colour has no tone", () => {
  expect(swatchOf("tropical sunset dream").tones).toEqual([]);
});
