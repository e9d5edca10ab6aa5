import type { FindSimilarProductsResponse, SearchResult } from "../gen/lookalike/gateway/v1/search_pb";
import type { Product, ProductImage } from "../gen/lookalike/type/v1/product_pb";

/** A product as it is shown, with how near it is where something ranked it. */
export interface Match {
  product: Product;
  /** The probability that a person would call it a match, 0 to 1; absent where the server gives none. */
  probability?: number;
  /** The best there is, but not good. */
  weak: boolean;
  /** The photograph that is nearest, as a position in `product.images`. */
  bestImage: number;
}

/** What is shown of a result. */
export function toMatch(result: SearchResult): Match | undefined {
  if (!result.product) return undefined;
  return {
    product: result.product,
    probability: result.matchProbability,
    weak: result.weak,
    // Of what is hardly alike the first photograph says more than the one that is least unlike.
    bestImage: result.product.images[result.bestImageIndex] && !result.weak ? result.bestImageIndex : 0,
  };
}

/** What is shown of an answer, in its order. */
export function toMatches(response: Pick<FindSimilarProductsResponse, "results">): Match[] {
  return response.results.map(toMatch).filter((match) => match !== undefined);
}

/** A product that nothing ranked. */
export function plainMatch(product: Product): Match {
  return { product, weak: false, bestImage: 0 };
}

/** The texts of a product's attribute, one for each value. */
export function attributeTexts(product: Product, field: string): string[] {
  const value = product.attributes?.[field];
  const values = Array.isArray(value) ? value : [value];
  return values
    .filter((item) => typeof item === "string" || typeof item === "number" || typeof item === "boolean")
    .map(String);
}

/** What is shown of how near a match is, strongest first. */
export type Closeness = "very" | "close" | "some" | "weak";

/** How near in words. `weak` is the server's own word and outweighs the number. */
export function closeness(probability: number, weak: boolean): Closeness {
  if (weak) return "weak";
  if (probability >= 0.8) return "very";
  return probability >= 0.5 ? "close" : "some";
}

/** Where a photograph of the catalogue is, at most so many pixels on its longer side. */
export function imageUrl(image: ProductImage, side: number): string {
  if (image.sizeBytes > 0n) return `/images/${image.sha256}?max_side_px=${side}`;
  // Addresses come with the catalogue: nothing but the web is followed.
  return /^https?:\/\//i.test(image.uri) ? image.uri : "";
}
