import { expect, test } from "vitest";
import { ErrorReason } from "../gen/lookalike/type/v1/error_reason_pb";
import { ca } from "./ca";
import { en } from "./en";
import { es } from "./es";
import { format, type Message } from "./messages";

const blanks = (message: Message): string[] => {
  const texts = typeof message === "string" ? [message] : [message.other];
  return texts.flatMap((text) => text.match(/\{\w+\}/g) ?? []).sort();
};

type Texts = Record<string, Message>;
const views = import.meta.glob<{ messages: Record<"en" | "es" | "ca", Texts> }>("../views/*/messages.ts", {
  eager: true,
});
const rooms: [string, Texts, Texts, Texts][] = [
  ["the frame", en, es, ca],
  ...Object.entries(views).map(([path, { messages: of }]): [string, Texts, Texts, Texts] => [
    path,
    of.en,
    of.es,
    of.ca,
  ]),
];

test.each(rooms)("every text of %s fills in what the English one does", (_, english, ...others) => {
  for (const [key, message] of Object.entries(english)) {
    for (const other of others) expect(blanks(other[key] ?? ""), key).toEqual(blanks(message));
  }
});

test("every reason that the services give has its sentence", () => {
  const reasons = Object.keys(ErrorReason).filter((name) => /^[A-Z]/.test(name) && name !== "UNSPECIFIED");
  expect(reasons.length).toBeGreaterThan(40);
  expect(reasons.filter((reason) => !Object.hasOwn(en, `error.${reason}`))).toEqual([]);
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
