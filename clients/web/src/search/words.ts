/** What was typed, taken apart. */
export interface Words {
  /** What is looked for. */
  wanted: string;
  /** The same as it was typed, with its quotation marks: read again, it still says the same. */
  rest: string;
  unwanted: string[];
}

// Words that turn what follows into something not wanted, and words that belong to a colour's name.
const NEGATIONS = ["not", "without", "no", "sin", "sense"];
const BEFORE_COLOUR = ["light", "dark", "pale", "bright", "deep", "navy", "very", "any", "a", "the"];
const AFTER_COLOUR = ["claro", "oscuro", "marino", "clar", "fosc", "marí"];

const TOKEN = /(-?)"([^"]*)"|(\S+)/g;

/**
 * Finds what is not wanted: `dress -blue`, `dress, not light blue`, `falda sin "lunares grandes"`. A dash
 * inside a word is part of it: `t-shirt`.
 */
export function readWords(text: string): Words {
  const wanted: Token[] = [];
  const unwanted: string[] = [];
  const tokens = [...text.matchAll(TOKEN)].map(tokenOf);
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at];
    if (!token) break;
    if (token.negated) {
      unwanted.push(token.text);
    } else if (!token.quoted && NEGATIONS.includes(bare(token.text)) && at + 1 < tokens.length) {
      const last = endOfName(tokens, at + 1);
      const name = tokens.slice(at + 1, last + 1).map((part) => part.text.replace(/[,;.]+$/, ""));
      unwanted.push(name.join(" "));
      at = last;
      // The comma before "not" led to it and is no longer needed.
      const before = wanted.at(-1);
      if (before && !before.quoted) before.text = before.text.replace(/,$/, "");
    } else {
      wanted.push(token);
    }
  }
  const words = wanted.filter((token) => token.text !== "");
  return {
    wanted: words.map((token) => token.text).join(" "),
    rest: words.map((token) => (token.quoted ? `"${token.text}"` : token.text)).join(" "),
    unwanted: unwanted.filter((name) => name !== ""),
  };
}

interface Token {
  text: string;
  quoted: boolean;
  negated: boolean;
}

function tokenOf([whole, dash, quoted]: RegExpMatchArray): Token {
  if (quoted !== undefined) return { text: quoted, quoted: true, negated: dash === "-" };
  const negated = /^-\p{L}/u.test(whole);
  return { text: negated ? whole.slice(1).replace(/,$/, "") : whole, quoted: false, negated };
}

/** The last token of the name that begins at a position: "light blue", "azul claro". */
function endOfName(tokens: readonly Token[], first: number): number {
  let last = first;
  while (last + 1 < tokens.length && BEFORE_COLOUR.includes(bare(tokens[last]?.text))) last++;
  if (AFTER_COLOUR.includes(bare(tokens[last + 1]?.text))) last++;
  return last;
}

function bare(word = ""): string {
  return word.toLowerCase().replace(/[^\p{L}]/gu, "");
}
