import type { Client } from "@connectrpc/connect";
import { imageUrl } from "../../api/match";
import type { SearchService } from "../../gen/lookalike/gateway/v1/search_pb";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { MOST_IDS, productsById } from "../by-id";

/** Pictures held at a time: a few screens of them. */
const MOST_PICTURES = 600;

/** Finds the products and the pictures that the map needs, in few calls, each once. */
export class Lookup {
  private readonly products = new Map<string, Product | null>();
  private readonly pictures = new Map<string, HTMLImageElement | null>();
  private wanted = new Set<string>();
  private asking = false;

  /** `onNews` is called when something wanted has come. */
  constructor(
    private readonly client: Pick<Client<typeof SearchService>, "listProducts">,
    private readonly signal: AbortSignal,
    private readonly onNews: () => void,
  ) {}

  /** A product, if it is here; null: deleted since the map was drawn; undefined: it is asked for. */
  product(id: string): Product | null | undefined {
    const known = this.products.get(id);
    if (known === undefined) this.want(id);
    return known;
  }

  /** A product's first picture, if it can be drawn already; else it is fetched. */
  picture(id: string): HTMLImageElement | undefined {
    const product = this.product(id);
    const image = product?.images[0];
    const url = image ? imageUrl(image, 160) : "";
    if (url === "") return undefined;
    const known = this.pictures.get(url);
    if (known === undefined) this.fetch(url);
    else {
      // What was used last is forgotten last.
      this.pictures.delete(url);
      this.pictures.set(url, known);
    }
    return known ?? undefined;
  }

  private want(id: string): void {
    this.wanted.add(id);
    if (this.asking) return;
    this.asking = true;
    // After this frame: all that one drawing wants travels together.
    queueMicrotask(() => void this.ask());
  }

  private async ask(): Promise<void> {
    while (this.wanted.size > 0 && !this.signal.aborted) {
      const ids = [...this.wanted].slice(0, MOST_IDS);
      for (const id of ids) this.wanted.delete(id);
      try {
        const products = await productsById(this.client, ids, this.signal);
        for (const id of ids) this.products.set(id, null);
        for (const product of products) this.products.set(product.productId, product);
      } catch {
        // The dots stay dots; what is still seen is wanted again by the next drawing.
        break;
      }
      this.onNews();
    }
    this.asking = false;
  }

  private fetch(url: string): void {
    this.pictures.set(url, null);
    for (const oldest of this.pictures.keys()) {
      if (this.pictures.size <= MOST_PICTURES) break;
      this.pictures.delete(oldest);
    }
    const picture = new Image();
    picture.src = url;
    picture.decode().then(
      () => {
        if (this.signal.aborted || !this.pictures.has(url)) return;
        this.pictures.set(url, picture);
        this.onNews();
      },
      // A broken picture stays a dot.
      () => undefined,
    );
  }
}
