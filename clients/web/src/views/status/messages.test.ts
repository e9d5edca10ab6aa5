import { expect, test } from "vitest";
import type { Message } from "../../i18n/messages";
import { messages as ingest } from "../ingest/messages";
import { messages as map } from "../map/messages";
import { messages as product } from "../product/messages";
import { messages as status } from "./messages";

type Texts = Record<string, Message>;

const forms = (message: Message) => (typeof message === "string" ? [message] : [message.one, message.other]);
const blanks = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test.each(Object.entries({ product, map, ingest, status }))(
  "every language of the view %s fills in the same",
  (_, { en, es, ca }) => {
    for (const dictionary of [es, ca] as Texts[]) {
      for (const [key, message] of Object.entries(en as Texts)) {
        const translated = dictionary[key] ?? "";
        // Some languages say "one" without the number: the plural has every value.
        expect(blanks(forms(translated).at(-1) ?? ""), key).toEqual(blanks(forms(message).at(-1) ?? ""));
        expect(typeof translated, key).toBe(typeof message);
      }
    }
  },
);
