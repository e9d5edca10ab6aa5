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
  return pluralRules(language).select(count) === "one" ? forms.one : forms.other;
}

const pluralRules = oncePerLanguage((language) => new Intl.PluralRules(language));
const numberFormat = oncePerLanguage(
  (language) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }),
);

/** What is dear to make is made once for each language. */
function oncePerLanguage<T>(make: (language: string) => T): (language: string) => T {
  const made = new Map<string, T>();
  return (language) => {
    const known = made.get(language) ?? make(language);
    made.set(language, known);
    return known;
  };
}
