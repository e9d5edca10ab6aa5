import type { Client } from "@connectrpc/connect";
import type { SearchService } from "../gen/lookalike/gateway/v1/search_pb";
import type { Product } from "../gen/lookalike/type/v1/product_pb";

/** What the gateway takes of one condition. */
export const MOST_IDS = 256;

/** The products with some identifiers, `MOST_IDS` at most; those that the catalogue lacks are left out. */
export async function productsById(
  client: Pick<Client<typeof SearchService>, "listProducts">,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Product[]> {
  const values = ids.map((value) => ({ kind: { case: "stringValue", value } as const }));
  const filter = {
    conditions: [{ field: "product_id", test: { case: "anyOf", value: { values } } as const }],
  };
  return (await client.listProducts({ pageSize: MOST_IDS, filter }, { signal })).products;
}
