import type { MessageInitShape } from "@bufbuild/protobuf";
import { attributeTexts } from "../../api/match";
import type { FilterSchema } from "../../gen/lookalike/type/v1/filter_pb";
import { Garment } from "../../gen/lookalike/type/v1/garment_pb";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { FEATURES, GARMENTS, type GarmentName } from "../../search/query";
import { GARMENT } from "../../search/request";

/** How many similar products people may choose to see. */
export const COUNTS = [5, 10, 20, 50] as const;
const DEFAULT_COUNT = 5;
/** The closest comes on top of them, and the gateway gives a thousand. */
const MOST = 999;

/** The number of similar products that an address asks for. */
export function countFrom(params: URLSearchParams): number {
  const asked = Number.parseInt(params.get("k") ?? "", 10);
  return Number.isFinite(asked) && asked >= 1 ? Math.min(asked, MOST) : DEFAULT_COUNT;
}

/** The garment that an address asks for; undefined: the product's own. */
export function garmentFrom(params: URLSearchParams): GarmentName | undefined {
  const asked = params.get("garment");
  return GARMENTS.find((garment) => garment === asked);
}

export function garmentOf(choice: GarmentName | undefined): Garment {
  return choice ? GARMENT[choice] : Garment.UNSPECIFIED;
}

/** The name of a garment as an address and the page's texts have it. */
export function choiceOf(garment: Garment): GarmentName | undefined {
  return GARMENTS.find((choice) => GARMENT[choice] === garment);
}

/** The garments found on a product's photographs; a choice only if there are several. */
export function garmentChoices(product: Product): GarmentName[] {
  const found = new Set(product.images.flatMap((image) => image.garments.map(({ garment }) => garment)));
  const choices = GARMENTS.filter((choice) => found.has(GARMENT[choice]));
  return choices.length > 1 ? choices : [];
}

/** This page with other choices; what is the default is left out. */
export function withChoice(
  params: URLSearchParams,
  name: "k" | "garment",
  value: string | undefined,
): string {
  const changed = new URLSearchParams(params);
  if (value === undefined || (name === "k" && value === String(DEFAULT_COUNT))) changed.delete(name);
  else changed.set(name, value);
  const query = changed.toString();
  return query === "" ? "" : `?${query}`;
}

/**
 * What passes as the same thing in another colour: of a known colour, but none of its own, and of
 * its category if it has one. Undefined for a product whose own colour nobody knows.
 */
export function otherColours(product: Product): MessageInitShape<typeof FilterSchema> | undefined {
  const colours = attributeTexts(product, "colour");
  if (colours.length === 0) return undefined;
  const categories = attributeTexts(product, "category");
  return {
    conditions: [
      { field: "colour", test: { case: "exists", value: true } },
      { field: "colour", test: { case: "noneOf", value: valueSet(colours) } },
      ...(categories.length > 0
        ? [{ field: "category", test: { case: "anyOf", value: valueSet(categories) } as const }]
        : []),
    ],
  };
}

function valueSet(texts: readonly string[]) {
  return { values: texts.map((value) => ({ kind: { case: "stringValue", value } as const })) };
}

/** Where an attribute's value leads: features filter, anything else is searched for as words. */
export function searchFor(field: string, text: string): string {
  const name = FEATURES.find((feature) => feature === field) ?? "q";
  return `/?${new URLSearchParams({ [name]: text })}`;
}

/** Below this share of the best one's probability a product is of another cut, not of another colour. */
const SAME_CUT = 0.4;
/**
 * The colour weighs much in a vector, so the same cut in another colour is rarely called a match by
 * itself. Within one category this much likelihood tells it from what only hangs beside it.
 */
const LIKELY_AT_ALL = 0.02;

/** The matches that are nearly as close as the closest of them, and not far from the product. */
export function sameCut<T extends { readonly probability?: number }>(matches: readonly T[]): T[] {
  const best = Math.max(...matches.map(({ probability }) => probability ?? 0));
  const least = Math.max(best * SAME_CUT, LIKELY_AT_ALL);
  return matches.filter(({ probability }) => (probability ?? 0) >= least);
}
