import { expect, test } from "vitest";
import { ca } from "./ca";
import { en } from "./en";
import { es } from "./es";
import { format, type Message } from "./messages";

const blanks = (message: Message): string[] => {
  const texts = typeof message === "string" ? [message] : [message.other];
  return texts.flatMap((text) => text.match(/\{\w+\}/g) ?? []).sort();
};

test.each([
  ["es", es],
  ["ca", ca],
] as const)("every text of %s fills in what the English one does", (_, dictionary) => {
  for (const [key, message] of Object.entries(en)) {
    expect(blanks(dictionary[key as keyof typeof en]), key).toEqual(blanks(message));
  }
});

test("the plural follows the language's rules", () => {
  const message = { one: "{count} foto", other: "{count} fotos" };
  expect(format(message, { count: 1 }, "es")).toBe("1 foto");
  expect(format(message, { count: 0 }, "es")).toBe("0 fotos");
});

test("numbers are written as the language writes them", () => {
  expect(format("{count} products", { count: 12345 }, "en")).toBe("12,345 products");
  expect(format("{count} productos", { count: 12345 }, "es")).toBe("12.345 productos");
});

test("a value that was not given stays visible", () => {
  expect(format("Hello {name}", {}, "en")).toBe("Hello {name}");
});
