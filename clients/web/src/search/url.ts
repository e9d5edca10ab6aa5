import {
  EMPTY,
  FEATURES,
  GARMENTS,
  type GarmentName,
  isChosen,
  type Part,
  type Query,
  toggleFilter,
  WANTED,
  withPart,
} from "./query";

// /?q=TEXT&text=TEXT~WEIGHT&like=ID~WEIGHT&photo=SHA256.GARMENT~WEIGHT&colour=VALUE&k=NUMBER
// A weight of 1 is left out, and so is whatever is not there.

const WEIGHT = /~(-?\d+(?:\.\d+)?)$/;
const PHOTO = /^([0-9a-f]{64})(?:\.(upper|lower|full))?$/;
const MOST_PARTS = 15;
const MOST_RESULTS = 100;

/** Reads a search from the address; what makes no sense is left out, so that an old link still opens. */
export function queryFromParams(params: URLSearchParams): Query {
  let query: Query = { ...EMPTY, text: params.get("q") ?? "" };
  for (const [key, value] of params) {
    const part = partFrom(key, value);
    if (part && query.parts.length < MOST_PARTS) query = withPart(query, part);
  }
  for (const feature of FEATURES) {
    for (const value of params.getAll(feature)) {
      if (value.trim() === "" || isChosen(query, feature, value)) continue;
      query = toggleFilter(query, feature, value);
    }
  }
  const k = Number(params.get("k"));
  return {
    ...query,
    pageSize: Number.isInteger(k) && k > 0 ? Math.min(k, MOST_RESULTS) : undefined,
  };
}

/** The address of a search. */
export function urlOf(query: Query): string {
  const params = new URLSearchParams();
  if (query.text.trim() !== "") params.set("q", query.text);
  for (const part of query.parts) params.append(part.kind, written(part));
  for (const feature of FEATURES) {
    for (const value of query.filters[feature] ?? []) params.append(feature, value);
  }
  if (query.pageSize !== undefined) params.set("k", String(query.pageSize));
  // The mark of a weight may stand in an address as it is, and is easier to read so.
  const text = params.toString().replaceAll("%7E", "~");
  return text === "" ? "/" : `/?${text}`;
}

function partFrom(key: string, value: string): Part | undefined {
  if (key !== "text" && key !== "like" && key !== "photo") return undefined;
  const found = WEIGHT.exec(value);
  // Finer steps say nothing, and would be written with an exponent that is no weight when read again.
  const weight = found ? Math.round(Number(found[1]) * 100) / 100 : WANTED;
  const rest = found ? value.slice(0, found.index) : value;
  if (rest.trim() === "" || Math.abs(weight) > 10) return undefined;
  if (key === "text") return { kind: "text", text: rest, weight };
  if (key === "like") return { kind: "like", productId: rest, weight };
  const photo = PHOTO.exec(rest);
  if (!photo?.[1]) return undefined;
  return { kind: "photo", sha256: photo[1], garment: garmentOf(photo[2]), weight };
}

function garmentOf(name: string | undefined): GarmentName | undefined {
  return GARMENTS.find((garment) => garment === name);
}

function written(part: Part): string {
  const what =
    part.kind === "text"
      ? part.text
      : part.kind === "like"
        ? part.productId
        : part.sha256 + (part.garment ? `.${part.garment}` : "");
  // An identifier that ends like a weight needs one of its own.
  return part.weight === WANTED && !WEIGHT.test(what) ? what : `${what}~${part.weight}`;
}
