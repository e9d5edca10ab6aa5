import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  IngestBatchResponseSchema,
  type IngestProduct,
  IngestService,
  IngestState,
} from "../../gen/lookalike/gateway/v1/ingest_pb";
import { type Draft, withFiles } from "./drafts";
import { sendAll } from "./sending";

const MIB = 1024 * 1024;
const file = (name: string, bytes: number) => new File([new Uint8Array(bytes)], name);

/** A gateway in this process, with the real protocol between: what it does with each product. */
function gateway(outcome: (product: IngestProduct) => IngestState | ConnectError) {
  const requests: string[][] = [];
  const transport = createRouterTransport(({ service }) => {
    service(IngestService, {
      async *ingestBatch({ products }) {
        requests.push(products.map((product) => product.productId));
        for (const [i, product] of products.entries()) {
          const state = outcome(product);
          if (state instanceof ConnectError) throw state;
          yield create(IngestBatchResponseSchema, {
            finishedCount: i + 1,
            totalCount: products.length,
            result: {
              sequence: BigInt(i + 1),
              state,
              imageFailures: product.images.flatMap((image, imageIndex) =>
                image.label.startsWith("broken") ? [{ imageIndex, label: image.label }] : [],
              ),
            },
          });
        }
      },
    });
  });
  return { client: createClient(IngestService, transport), requests };
}

/** Runs it and returns where each product ended. */
async function run(
  client: ReturnType<typeof gateway>["client"],
  drafts: readonly Draft[],
  signal?: AbortSignal,
) {
  const ends = new Map<string, Draft>();
  const error = await sendAll(client, drafts, signal ?? new AbortController().signal, (draft) =>
    ends.set(draft.productId, draft),
  );
  return { ends, error, at: (id: string) => ends.get(id)?.progress.at };
}

const found = (...names: string[]) => names.map((path) => ({ path, file: file(path, 10) }));

describe("sending products", () => {
  it("tells stored from unchanged and refused", async () => {
    const states: Record<string, IngestState> = { b: IngestState.UNCHANGED, c: IngestState.REFUSED };
    const { client } = gateway((product) => states[product.productId] ?? IngestState.STORED);
    const { ends, error, at } = await run(client, withFiles([], found("a.jpg", "b.jpg", "c.jpg")));
    expect(error).toBeUndefined();
    expect(ends.get("a")?.progress).toEqual({ at: "stored", unchanged: false });
    expect(ends.get("b")?.progress).toEqual({ at: "stored", unchanged: true });
    expect(at("c")).toBe("refused");
  });

  it("goes on calling added what was added a moment ago", async () => {
    const states = [IngestState.STORED, IngestState.UNCHANGED];
    const { client } = gateway(() => states.shift() ?? IngestState.REFUSED);
    const first = await run(client, withFiles([], found("a.jpg")));
    const second = await run(client, [...first.ends.values()]);
    expect(second.ends.get("a")?.progress).toEqual({ at: "stored", unchanged: false });
  });

  it("puts a failure to the photograph it belongs to, also where one stayed at home", async () => {
    const { client } = gateway(() => IngestState.STORED);
    const files = [
      { path: "p/1.jpg", file: file("1.jpg", 0) },
      { path: "p/2.jpg", file: file("2.jpg", 5) },
      { path: "p/broken.jpg", file: file("broken.jpg", 5) },
    ];
    const { ends } = await run(client, withFiles([], files));
    const photos = ends.get("p")?.photos ?? [];
    expect(photos.map((photo) => [photo.file.name, photo.failure !== undefined])).toEqual([
      ["1.jpg", false],
      ["2.jpg", false],
      ["broken.jpg", true],
    ]);
  });

  it("goes in bounded batches", async () => {
    const { client, requests } = gateway(() => IngestState.STORED);
    const heavy = ["a.jpg", "b.jpg", "c.jpg"].map((path) => ({ path, file: file(path, 7 * MIB) }));
    await run(client, withFiles([], heavy));
    expect(requests).toEqual([["a", "b"], ["c"]]);
  });

  it("keeps what was stored when the call breaks off, and fails the rest of its batch only", async () => {
    const gone = new ConnectError("gone", Code.Unavailable);
    const { client } = gateway((product) => (product.productId === "b" ? gone : IngestState.STORED));
    const heavy = ["a.jpg", "b.jpg", "c.jpg"].map((path) => ({ path, file: file(path, 7 * MIB) }));
    const { error, at } = await run(client, withFiles([], heavy));
    expect(error?.retryable).toBe(true);
    expect([at("a"), at("b"), at("c")]).toEqual(["stored", "refused", "draft"]);
  });

  it("fails what came back without an outcome: nothing is on its way for ever", async () => {
    const transport = createRouterTransport(({ service }) => {
      service(IngestService, { async *ingestBatch() {} });
    });
    const { error, at } = await run(createClient(IngestService, transport), withFiles([], found("a.jpg")));
    expect(error?.reason).toBe("UNKNOWN");
    expect(at("a")).toBe("refused");
  });

  it("leaves everything as it was where writing is switched off", async () => {
    const { client } = gateway(() => new ConnectError("off", Code.PermissionDenied));
    const { error, at } = await run(client, withFiles([], found("a.jpg")));
    expect(error?.code).toBe(Code.PermissionDenied);
    expect(at("a")).toBe("draft");
  });

  it("can be stopped, which is no error", async () => {
    const stop = new AbortController();
    const { client } = gateway((product) => {
      if (product.productId === "a") stop.abort();
      return IngestState.STORED;
    });
    const { error, at } = await run(client, withFiles([], found("a.jpg", "b.jpg")), stop.signal);
    expect(error).toBeUndefined();
    expect(at("b")).toBe("draft");
  });
});
