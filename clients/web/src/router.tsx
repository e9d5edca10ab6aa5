import { signal } from "@preact/signals";
import type { AnchorHTMLAttributes, ComponentChildren, TargetedMouseEvent, VNode } from "preact";

export type View = "search" | "product" | "map" | "ingest" | "status" | "unknown";

export interface Route {
  view: View;
  /** Of the view `product`; else empty. */
  productId: string;
  /** What follows the question mark. */
  params: URLSearchParams;
  /** Path and query as they stand in the address bar. */
  url: string;
}

/** Reads a path with its query, such as `/product/sku-17?k=5`. */
export function parseRoute(url: string): Route {
  const { pathname, search, searchParams } = new URL(`http://page.invalid${url}`);
  const route = (view: View, productId = ""): Route => ({
    view,
    productId,
    params: searchParams,
    url: pathname + search,
  });
  const [first = "", ...rest] = pathname.split("/").filter(Boolean);
  if (first === "" && rest.length === 0) return route("search");
  if (first === "product" && rest.length > 0) {
    const productId = decoded(rest.join("/"));
    return productId === null ? route("unknown") : route("product", productId);
  }
  if (rest.length === 0 && (first === "map" || first === "ingest" || first === "status")) return route(first);
  return route("unknown");
}

/** The address of a product's page. */
export function productUrl(productId: string): string {
  return `/product/${encodeURIComponent(productId)}`;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function here(): string {
  return typeof location === "undefined" ? "/" : location.pathname + location.search;
}

/** Where the page is. */
export const route = signal<Route>(parseRoute(here()));

/** The place on the page to return to after going back; read by the view that shows it. */
export const scrollToRestore = signal<number | null>(null);

export interface NavigateOptions {
  /** Changes the address without a new entry to go back to: for what is still being typed. */
  replace?: boolean;
  /** Stays where it is scrolled to. */
  keepScroll?: boolean;
}

/** Goes to an address of this page. */
export function navigate(url: string, { replace = false, keepScroll = false }: NavigateOptions = {}): void {
  const next = parseRoute(url);
  if (replace) history.replaceState(history.state, "", next.url);
  else if (next.url !== route.peek().url) {
    history.replaceState({ scroll: scrollY }, "", here());
    history.pushState(null, "", next.url);
  }
  scrollToRestore.value = null;
  route.value = next;
  if (!keepScroll && !replace) scrollTo(0, 0);
}

/** Follows the browser's back and forward buttons. */
export function startRouter(): void {
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => {
    const state: unknown = event.state;
    const scroll = typeof state === "object" && state !== null && "scroll" in state ? state.scroll : 0;
    scrollToRestore.value = typeof scroll === "number" ? scroll : 0;
    route.value = parseRoute(here());
  });
}

interface LinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href" | "onClick" | "role"> {
  href: string;
  children?: ComponentChildren;
  onClick?: (event: TargetedMouseEvent<HTMLAnchorElement>) => void;
}

/** A link within the page: no reload; new tabs and downloads work as everywhere. */
export function Link({ href, onClick, children, ...rest }: LinkProps): VNode {
  const follow = (event: TargetedMouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a href={href} {...rest} onClick={follow}>
      {children}
    </a>
  );
}
