import { computed, signal } from "@preact/signals";
import { remember, remembered } from "../remembered";
import { ca } from "./ca";
import { type Dictionary, en, type MessageKey } from "./en";
import { es } from "./es";
import { format, type Message, type Values } from "./messages";

const dictionaries = { en, es, ca } satisfies Record<string, Dictionary>;

export type { MessageKey } from "./en";
export type Language = keyof typeof dictionaries;

/** Every language of the page, by its own name. */
export const LANGUAGES: ReadonlyArray<{ code: Language; name: string }> = [
  { code: "en", name: "English" },
  { code: "es", name: "Español" },
  { code: "ca", name: "Català" },
];

const STORED = "lookalike.language";

/** The language in use. */
export const lang = signal<Language>("en");

function known(tag: string | null | undefined): Language | undefined {
  const primary = tag?.toLowerCase().split("-")[0];
  return LANGUAGES.find(({ code }) => code === primary)?.code;
}

/** Chooses the language: of the link, else the one chosen before, else the browser's. */
export function startLanguage(fromLink: string | null): void {
  const wanted = [fromLink, remembered(STORED), ...navigator.languages];
  show(wanted.map(known).find((code) => code !== undefined) ?? "en");
}

/** Changes the language and remembers it. */
export function setLanguage(code: Language): void {
  remember(STORED, code);
  show(code);
}

function show(code: Language): void {
  lang.value = code;
  document.documentElement.lang = code;
}

/** A text of the page's frame in the language in use; components that call it follow the language. */
export function t(key: MessageKey, values: Values = {}): string {
  return format(dictionaries[lang.value][key], values, lang.value);
}

/** A translator for a view's own texts, given in every language. */
export function useMessages<K extends string>(
  messages: Record<Language, Record<K, Message>>,
): (key: K, values?: Values) => string {
  return (key, values = {}) => format(messages[lang.value][key], values, lang.value);
}

const shares = computed(
  () => new Intl.NumberFormat(lang.value, { style: "percent", maximumFractionDigits: 0 }),
);
const numbers = computed(() => new Intl.NumberFormat(lang.value));

/** A share from 0 to 1 as a percentage. */
export function percent(share: number): string {
  return shares.value.format(share);
}

/** A number as the language writes it. */
export function number(value: number): string {
  return numbers.value.format(value);
}
