import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { ListProductsResponseSchema, SearchService } from "../../gen/lookalike/gateway/v1/search_pb";
import { existing } from "./existing";

test("what the catalogue has already is known, however long the list is", async () => {
  const asked: number[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(SearchService, {
      listProducts({ filter }) {
        const test = filter?.conditions[0]?.test;
        const values = test?.case === "anyOf" ? test.value.values : [];
        asked.push(values.length);
        const there = values.some(({ kind }) => kind.value === "p299");
        return create(ListProductsResponseSchema, { products: there ? [{ productId: "p299" }] : [] });
      },
    });
  });
  const ids = Array.from({ length: 300 }, (_, i) => `p${i}`);
  const { signal } = new AbortController();
  expect([...(await existing(createClient(SearchService, transport), ids, signal))]).toEqual(["p299"]);
  expect(asked).toEqual([256, 44]);
});
