/** A text, or one for each plural form that the language tells apart. `{name}` is filled in. */
export type Message = string | { one: string; other: string };
export type Values = Record<string, string | number>;

/** What a language says: numbers, plural forms, filled-in values. */
export function format(message: Message, values: Values, language: string): string {
  const count = values.count;
  const text =
    typeof message === "string"
      ? message
      : pluralOf(message, typeof count === "number" ? count : 0, language);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? numberFormat(language).format(value) : value;
  });
}

function pluralOf(forms: { one: string; other: string }, count: number, language: string): string {
  return new Intl.PluralRules(language).select(count) === "one" ? forms.one : forms.other;
}

const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(language: string): Intl.NumberFormat {
  let found = formats.get(language);
  if (!found) {
    found = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    formats.set(language, found);
  }
  return found;
}
