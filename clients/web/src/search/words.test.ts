import { expect, test } from "vitest";
import { readWords } from "./words";

test.each([
  ["blue dress", "blue dress", []],
  ["dress -blue", "dress", ["blue"]],
  ["striped, not blue", "striped", ["blue"]],
  ["striped, not light blue with a collar", "striped with a collar", ["light blue"]],
  ["shirt without buttons, not red", "shirt", ["buttons", "red"]],
  ["vestido sin lunares", "vestido", ["lunares"]],
  ["camisa, no azul marino", "camisa", ["azul marino"]],
  ['skirt -"polka dots" long', "skirt long", ["polka dots"]],
  ["t-shirt", "t-shirt", []],
  ["not blue", "", ["blue"]],
])("%s", (typed, wanted, unwanted) => {
  expect(readWords(typed)).toMatchObject({ wanted, unwanted });
});

test("a negation with nothing behind it yet is only a word", () => {
  expect(readWords("dress not")).toMatchObject({ wanted: "dress not", unwanted: [] });
  expect(readWords("dress -")).toMatchObject({ wanted: "dress -", unwanted: [] });
});

test("what remains of a text says the same when it is read again", () => {
  const { wanted, rest, unwanted } = readWords('shirt "without buttons", not red');
  expect([wanted, unwanted]).toEqual(["shirt without buttons", ["red"]]);
  expect(readWords(rest)).toMatchObject({ wanted, rest, unwanted: [] });
});
