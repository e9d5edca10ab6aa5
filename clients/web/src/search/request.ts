import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { SearchPartSchema, SearchProductsRequestSchema } from "../gen/lookalike/gateway/v1/search_pb";
import type { FilterSchema } from "../gen/lookalike/type/v1/filter_pb";
import { Garment } from "../gen/lookalike/type/v1/garment_pb";
import { FEATURES, type Filters, type GarmentName, type Part, type Query, UNWANTED, WANTED } from "./query";
import { readWords } from "./words";

/** Enough for two screens of a wide window; more come as people scroll. */
const PAGE_SIZE = 24;

/** What the contract calls the garments of links. */
export const GARMENT: Record<GarmentName, Garment> = {
  upper: Garment.UPPER,
  lower: Garment.LOWER,
  full: Garment.FULL,
};

/** What a query is to the server: its parts with what was typed among them, in order. */
export function partsOf(query: Query): Part[] {
  const { wanted, unwanted } = readWords(query.text);
  const typed: Part[] = unwanted.map((text) => ({ kind: "text", text, weight: UNWANTED }));
  if (wanted.trim() !== "") typed.unshift({ kind: "text", text: wanted, weight: WANTED });
  return [...typed, ...query.parts].filter((part) => part.weight !== 0);
}

/** The call that answers a query. Photographs that are not at hand are left out. */
export function requestOf(
  query: Query,
  photos: ReadonlyMap<string, Uint8Array>,
  pageToken: string,
): MessageInitShape<typeof SearchProductsRequestSchema> {
  return {
    parts: partsOf(query)
      .map((part) => wirePart(part, photos))
      .filter((part) => part !== undefined),
    filter: filterOf(query.filters),
    pageSize: query.pageSize ?? PAGE_SIZE,
    pageToken,
  };
}

/** The chosen values as conditions on stored attributes. */
export function filterOf(filters: Filters): MessageInitShape<typeof FilterSchema> {
  return {
    conditions: FEATURES.filter((feature) => filters[feature]?.length).map((feature) => ({
      field: feature,
      test: {
        case: "anyOf",
        value: {
          values: (filters[feature] ?? []).map((value) =>
            create(ValueSchema, { kind: { case: "stringValue", value } }),
          ),
        },
      },
    })),
  };
}

function wirePart(
  part: Part,
  photos: ReadonlyMap<string, Uint8Array>,
): MessageInitShape<typeof SearchPartSchema> | undefined {
  const { weight } = part;
  if (part.kind === "text") return { part: { case: "text", value: part.text }, weight };
  if (part.kind === "like") return { part: { case: "productId", value: part.productId }, weight };
  const encoded = photos.get(part.sha256);
  if (!encoded) return undefined;
  const garment = part.garment ? GARMENT[part.garment] : Garment.UNSPECIFIED;
  return {
    part: { case: "image", value: { image: { source: { case: "encoded", value: encoded } }, garment } },
    weight,
  };
}
