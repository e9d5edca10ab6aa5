import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ListProductsResponseSchema, SearchService } from "../../gen/lookalike/gateway/v1/search_pb";
import { Lookup } from "./lookup";

/** A gateway in this process that knows every product but `gone`; what it was asked. */
function gateway(fails = false) {
  const asked: string[][] = [];
  const transport = createRouterTransport(({ service }) => {
    service(SearchService, {
      listProducts({ filter }) {
        const test = filter?.conditions[0]?.test;
        const values = test?.case === "anyOf" ? test.value.values : [];
        const ids = values.flatMap(({ kind }) => (kind.case === "stringValue" ? [kind.value] : []));
        asked.push(ids);
        if (fails) throw new ConnectError("busy", Code.Unavailable);
        const products = ids.filter((id) => id !== "gone").map((productId) => ({ productId }));
        return create(ListProductsResponseSchema, { products });
      },
    });
  });
  return { client: createClient(SearchService, transport), asked };
}

/** A lookup, and a promise of the next news. */
function lookup(client: ReturnType<typeof gateway>["client"]) {
  let tell: () => void = () => undefined;
  const one = new Lookup(client, new AbortController().signal, () => tell());
  const news = () => new Promise<void>((resolve) => (tell = resolve));
  return { one, news };
}

describe("looking products up", () => {
  it("asks once for all that one drawing wants, and never again", async () => {
    const { client, asked } = gateway();
    const { one, news } = lookup(client);
    const came = news();
    expect(one.product("a")).toBeUndefined();
    expect(one.product("b")).toBeUndefined();
    expect(one.product("gone")).toBeUndefined();
    await came;
    expect(one.product("a")?.productId).toBe("a");
    expect(one.product("gone")).toBeNull();
    expect(asked).toEqual([["a", "b", "gone"]]);
  });

  it("asks for at most 256 at a time", async () => {
    const { client, asked } = gateway();
    const { one, news } = lookup(client);
    const ids = Array.from({ length: 300 }, (_, i) => `p${i}`);
    const first = news();
    for (const id of ids) one.product(id);
    await first;
    await news();
    expect(asked.map((some) => some.length)).toEqual([256, 44]);
    expect(one.product("p299")?.productId).toBe("p299");
  });
});
