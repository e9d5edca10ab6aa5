import { type Signal, signal } from "@preact/signals";
import { search } from "../api/clients";
import { toAppError } from "../api/errors";
import type { Product } from "../gen/lookalike/type/v1/product_pb";
import { results } from "./results";

const known = new Map<string, Signal<Product | null>>();

/** A product that is part of a search, for its name and picture; null until it is known. */
export function likedProduct(productId: string): Signal<Product | null> {
  const found = known.get(productId);
  if (found) return found;
  // Mostly it was chosen among the results, and nothing need be asked for.
  const shown = results.peek()?.matches.find((match) => match.product.productId === productId);
  const product = signal<Product | null>(shown?.product ?? null);
  known.set(productId, product);
  if (!shown) void read(productId, product);
  return product;
}

async function read(productId: string, into: Signal<Product | null>): Promise<void> {
  try {
    into.value = (await search.getProduct({ productId })).product ?? null;
  } catch (thrown) {
    // The search itself tells what is wrong. What may work later is asked for the next time it is shown.
    if (toAppError(thrown).retryable) known.delete(productId);
  }
}
