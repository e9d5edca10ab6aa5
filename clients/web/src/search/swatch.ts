// What colours are called in catalogues, in the page's languages, as they look on a small round field.
const COLOURS: Record<string, string> = {
  "black negro negre": "#1a1a1a",
  "white blanco blanc": "#ffffff",
  "grey gray gris": "#8d8f93",
  "silver plata plateado platejat": "#c4c7cc",
  "charcoal antracita grafito grafit": "#3d4045",
  "red rojo vermell": "#c92a2a",
  "burgundy maroon wine bordeaux burdeos granate bordeus grana": "#6e1f2f",
  "orange naranja taronja": "#ea7a1a",
  coral: "#f4775c",
  "salmon salmón salmó": "#f59a84",
  "peach melocotón préssec": "#f8c7a4",
  "yellow amarillo groc": "#f2c91d",
  "mustard mostaza mostassa": "#c99a1b",
  "gold golden dorado oro daurat or": "#c7a23c",
  "green verde verd": "#2f8f4a",
  "olive oliva": "#6f7233",
  "khaki caqui": "#9b9060",
  "mint menta": "#a5dfc8",
  "lime lima llima": "#a4cf2f",
  teal: "#157a7a",
  "turquoise turquesa": "#37bfc0",
  "aqua cyan cian": "#4cc9e0",
  "blue azul blau": "#2b5fc2",
  navy: "#1c2a52",
  "denim vaquero texà": "#4a6a94",
  "indigo índigo indi": "#3d3b8f",
  "purple morado púrpura porpra": "#7a3fa0",
  "violet violeta": "#7d4fc0",
  "lilac lila": "#c0a0dc",
  "lavender lavanda": "#b9b3e6",
  "mauve malva": "#b388a8",
  "pink rosa": "#ee8fb3",
  "fuchsia magenta fucsia": "#d6258a",
  "brown marrón marró castaño": "#75492c",
  "tan camel camello": "#bf935d",
  beige: "#dccbaf",
  nude: "#e3bfa6",
  "cream crema ivory marfil vori": "#f5eedb",
  "ecru crudo cru": "#ebe2cd",
  taupe: "#8c7f74",
};

const BY_NAME = new Map(
  Object.entries(COLOURS).flatMap(([names, hex]) => names.split(" ").map((name) => [name, hex] as const)),
);

const LIGHTER = new Set(["light", "pale", "baby", "sky", "pastel", "claro", "clar", "clara", "cielo", "cel"]);
const DARKER = new Set([
  "dark",
  "deep",
  "navy",
  "midnight",
  "oscuro",
  "oscura",
  "fosc",
  "fosca",
  "marino",
  "marí",
]);

/** How a colour is shown: one tone, several, or (none known) as a pattern. */
export type Swatch = { tones: string[] };

/** The tones of a colour's name: "light blue", "azul marino", "black/white"; none where it is unknown. */
export function swatchOf(name: string): Swatch {
  const names = name.toLowerCase().split(/\s*(?:[/,&+]|\band\b|\by\b|\bi\b)\s*/u);
  return { tones: names.map(toneOf).filter((tone) => tone !== undefined) };
}

function toneOf(name: string): string | undefined {
  const words = name.split(/[\s-]+/).filter(Boolean);
  const base = words.map((word) => BY_NAME.get(word)).filter((hex) => hex !== undefined);
  // The last word that is a colour is the colour, in English: "olive green". In Spanish and Catalan what
  // follows it mostly tells light from dark: "azul marino".
  const tone = base.at(-1);
  if (tone === undefined) return undefined;
  if (words.some((word) => LIGHTER.has(word))) return mixed(tone, "#ffffff", 0.5);
  if (words.some((word) => DARKER.has(word)) && words.length > 1) {
    return mixed(tone, "#0b0d18", 0.5);
  }
  return tone;
}

function mixed(one: string, other: string, share: number): string {
  const channel = (hex: string, at: number): number => Number.parseInt(hex.slice(at, at + 2), 16);
  const mix = (at: number): string =>
    Math.round(channel(one, at) * (1 - share) + channel(other, at) * share)
      .toString(16)
      .padStart(2, "0");
  return `#${mix(1)}${mix(3)}${mix(5)}`;
}
