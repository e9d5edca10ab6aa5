import type { Client } from "@connectrpc/connect";
import type { SearchService } from "../../gen/lookalike/gateway/v1/search_pb";
import { MOST_IDS, productsById } from "../by-id";

/** Which of some identifiers the catalogue has already. */
export async function existing(
  client: Pick<Client<typeof SearchService>, "listProducts">,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let from = 0; from < ids.length; from += MOST_IDS) {
    const products = await productsById(client, ids.slice(from, from + MOST_IDS), signal);
    for (const { productId } of products) found.add(productId);
  }
  return found;
}
