import type { ComponentType, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { announcement } from "../announce";
import { t } from "../i18n";
import { DropTarget } from "../photo/DropTarget";
import { PhotoNews } from "../photo/PhotoNews";
import { route, type View } from "../router";
import Search from "../views/search";
import { Header } from "./Header";
import { LazyView } from "./LazyView";
import { Unknown } from "./Unknown";

type Loader = () => Promise<{ default: ComponentType }>;

// The search is what people come for and is there at once; the rest is fetched when asked for.
const LAZY: Partial<Record<View, Loader>> = {
  product: () => import("../views/product"),
  map: () => import("../views/map"),
  ingest: () => import("../views/ingest"),
  status: () => import("../views/status"),
};

/** The page. */
export function App(): VNode {
  const { view } = route.value;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);

  // Another view is another page to those who listen.
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [view]);

  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a place of this page, and takes the focus along */}
      <a
        class="skip-link"
        href="#content"
        onClick={(event) => {
          // Another entry to go back to would look the same.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t("app.skip")}
      </a>
      <Header />
      <main id="content" tabIndex={-1} ref={main}>
        <PhotoNews />
        <Shown view={view} />
      </main>
      <DropTarget />
      <p class="visually-hidden" aria-live="polite" role="status">
        {announcement.value}
      </p>
    </>
  );
}

function Shown({ view }: { view: View }): VNode {
  if (view === "search") return <Search />;
  const load = LAZY[view];
  return load ? <LazyView load={load} /> : <Unknown />;
}
