import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  SearchProductsRequestSchema,
  SearchProductsResponseSchema,
} from "../gen/lookalike/gateway/v1/search_pb";

type Response_ = MessageInitShape<typeof SearchProductsResponseSchema>;

/** A call that is on its way: what was asked, and how it is answered. */
interface Call {
  words: unknown[];
  pageToken: string;
  answer: (response: Response_) => void;
  refuse: () => void;
  /** The other side gives the call up. */
  cancel: () => void;
  signal: AbortSignal | null | undefined;
}

let calls: Call[] = [];
/** Counts of features that were asked for; they fail while the server is away. */
let counts = 0;
let away = false;

/** A message of gRPC-Web, and the trailers that end it. */
function framed(response: Response_): Uint8Array<ArrayBuffer> {
  const message = toBinary(SearchProductsResponseSchema, create(SearchProductsResponseSchema, response));
  const trailers = new TextEncoder().encode("grpc-status: 0\r\n");
  const frames = new Uint8Array(10 + message.length + trailers.length);
  const lengths = new DataView(frames.buffer);
  lengths.setUint32(1, message.length);
  frames.set(message, 5);
  frames[5 + message.length] = 0x80;
  lengths.setUint32(6 + message.length, trailers.length);
  frames.set(trailers, 10 + message.length);
  return frames;
}

function answered(response: Response_): Response {
  return new Response(framed(response), { headers: { "content-type": "application/grpc-web+proto" } });
}

beforeEach(() => {
  calls = [];
  counts = 0;
  away = false;
  vi.resetModules();
  vi.useFakeTimers();
  vi.stubGlobal("location", { origin: "http://page.invalid", pathname: "/", search: "" });
  vi.stubGlobal("history", { state: null, pushState: vi.fn(), replaceState: vi.fn() });
  vi.stubGlobal("scrollTo", vi.fn());
  vi.stubGlobal("scrollY", 0);
  vi.stubGlobal("fetch", (url: string, { body, signal }: { body: Uint8Array; signal?: AbortSignal }) => {
    if (url.endsWith("/ListFacets")) {
      counts += 1;
      return away ? Promise.reject(new TypeError("Failed to fetch")) : Promise.resolve(answered({}));
    }
    const request = fromBinary(SearchProductsRequestSchema, body.subarray(5));
    return new Promise<Response>((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      calls.push({
        words: request.parts.map(({ part }) => part.value),
        pageToken: request.pageToken,
        answer: (response) => resolve(answered(response)),
        refuse: () => reject(new TypeError("Failed to fetch")),
        cancel: () =>
          resolve(
            new Response("", {
              headers: { "content-type": "application/grpc-web+proto", "grpc-status": "1" },
            }),
          ),
        signal,
      });
    });
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The search as the page starts it, at an address. */
async function started(url: string) {
  const router = await import("../router");
  const state = await import("./state");
  const found = await import("./results");
  const go = async (to: string, scroll: number | null = null): Promise<void> => {
    router.scrollToRestore.value = scroll;
    router.route.value = router.parseRoute(to);
    await vi.advanceTimersByTimeAsync(0);
  };
  router.route.value = router.parseRoute(url);
  state.startSearch();
  found.startResults();
  await vi.advanceTimersByTimeAsync(0);
  return { ...router, ...state, ...found, go };
}

const product = (productId: string) => ({ product: { productId } });
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

test("going back before the next answer is there keeps what is shown: the late answer is never shown", async () => {
  const page = await started("/?q=skirt");
  calls[0]?.answer({ results: [product("skirt")] });
  await settled();
  await page.go("/?q=dress");
  expect(page.waiting.value).toBe("first");
  await page.go("/?q=skirt", 0);
  expect(calls).toHaveLength(2);
  expect(calls[1]?.signal?.aborted).toBe(true);
  expect(page.waiting.value).toBe("nothing");
  expect(page.results.value?.of.text).toBe("skirt");
});

test("the next page of what is shown is not asked for under another search's address", async () => {
  const page = await started("/?q=skirt");
  calls[0]?.answer({ results: [product("skirt")], nextPageToken: "two" });
  await settled();
  await page.go("/?q=dress");
  calls[1]?.refuse();
  await settled();
  expect(page.failure.value?.reason).toBe("NETWORK");
  await page.findMore();
  expect(calls).toHaveLength(2);
  page.again();
  await settled();
  expect(calls[2]).toMatchObject({ words: ["dress"], pageToken: "" });
  page.again();
  await settled();
  expect(calls).toHaveLength(3);
});

test("words that were being typed do not fetch people back from where they went", async () => {
  const page = await started("/?q=skirt");
  page.type("skirt blue");
  await page.go("/product/sku-1");
  await vi.advanceTimersByTimeAsync(1000);
  expect(page.route.value.view).toBe("product");
});

test("a photograph that a link lacked is searched for once it is given, at the same address", async () => {
  const { keep } = await import("../photo/store");
  const blob = new Blob([new Uint8Array([1, 2, 3])]);
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const sha256 = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  vi.stubGlobal("isSecureContext", true);
  const page = await started(`/?photo=${sha256}`);
  await settled();
  calls[0]?.answer({ results: [product("any")] });
  await settled();
  expect(page.results.value?.missingPhotos).toEqual([sha256]);
  await keep({ blob, widthPx: 1, heightPx: 1 });
  page.searchFor(page.query.value);
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.words).toHaveLength(1);
});

test("a call that the other side gave up is told, and can be tried again", async () => {
  const page = await started("/?q=skirt");
  calls[0]?.cancel();
  await settled();
  expect(page.waiting.value).toBe("nothing");
  expect(page.failure.value?.retryable).toBe(true);
});

test("features that could not be counted are counted once a search is answered, and not again", async () => {
  const page = await started("/?q=skirt");
  const { facets, startFacets } = await import("./facets");
  away = true;
  startFacets();
  await settled();
  expect([counts, facets.value]).toEqual([1, null]);
  away = false;
  calls[0]?.answer({ results: [product("skirt")] });
  await settled();
  expect(counts).toBe(2);
  expect(facets.value).not.toBeNull();
  await page.go("/?q=dress");
  calls[1]?.answer({ results: [product("dress")] });
  await settled();
  expect(counts).toBe(2);
});
