/** The features that filter, in the order they are shown. */
export const FEATURES = ["colour", "category", "type", "pattern", "season", "person"] as const;
export type Feature = (typeof FEATURES)[number];

/** A garment of a photograph, as links name it. */
export const GARMENTS = ["upper", "lower", "full"] as const;
export type GarmentName = (typeof GARMENTS)[number];

export interface TextPart {
  kind: "text";
  text: string;
  weight: number;
}

export interface LikePart {
  kind: "like";
  productId: string;
  weight: number;
}

export interface PhotoPart {
  kind: "photo";
  /** Names the photograph in this browser. */
  sha256: string;
  /** Absent: all clothing together. */
  garment?: GarmentName;
  weight: number;
}

export type Part = TextPart | LikePart | PhotoPart;

/** Values of a feature, any of which may be there. */
export type Filters = Partial<Record<Feature, readonly string[]>>;

/** Everything that a search is made of; a link holds all of it. */
export interface Query {
  /** What stands in the search box. */
  text: string;
  /** What else it shall be near to or away from, in order of kind. */
  parts: readonly Part[];
  filters: Filters;
  /** Results on a page, where the link says so. */
  pageSize?: number;
}

export const EMPTY: Query = { text: "", parts: [], filters: {} };

/** What is wanted counts fully. */
export const WANTED = 1;
/** At full weight what is not wanted drowns what is: "dress, not red" would find anything but red. */
export const UNWANTED = -0.5;
/** The weights that people can choose; 0 keeps a part without using it. */
export const WEIGHTS = { least: -2, most: 2, step: 0.25 } as const;

/** True if nothing is asked for: the whole catalogue is shown. */
export function isEmpty(query: Query): boolean {
  return query.text.trim() === "" && query.parts.length === 0 && !hasFilters(query);
}

export function hasFilters({ filters }: Query): boolean {
  return FEATURES.some((feature) => (filters[feature]?.length ?? 0) > 0);
}

export function withoutFilters(query: Query): Query {
  return { ...query, filters: EMPTY.filters };
}

/** The query with one more part; the same thing again replaces what was said of it. */
export function withPart(query: Query, part: Part): Query {
  const same = partId(part);
  const at = query.parts.findIndex((other) => partId(other) === same);
  const parts =
    at < 0 ? [...query.parts, part] : query.parts.map((other, index) => (index === at ? part : other));
  return { ...query, parts };
}

export function withoutPart(query: Query, part: Part): Query {
  const gone = partId(part);
  return { ...query, parts: query.parts.filter((other) => partId(other) !== gone) };
}

/** Names a part among the parts of a query, whatever its weight. */
export function partId(part: Part): string {
  if (part.kind === "text") return `text ${part.text.toLowerCase()}`;
  return part.kind === "like" ? `like ${part.productId}` : `photo ${part.sha256}`;
}

/** The query with a value of a feature chosen, or no longer. */
export function toggleFilter(query: Query, feature: Feature, value: string): Query {
  const chosen = query.filters[feature] ?? [];
  const next = isChosen(query, feature, value)
    ? chosen.filter((other) => !sameValue(other, value))
    : [...chosen, value];
  const { [feature]: _, ...rest } = query.filters;
  return { ...query, filters: next.length > 0 ? { ...rest, [feature]: next } : rest };
}

export function isChosen(query: Query, feature: Feature, value: string): boolean {
  return (query.filters[feature] ?? []).some((other) => sameValue(other, value));
}

/** As the server compares text: without regard to case or surrounding blanks. */
function sameValue(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}
