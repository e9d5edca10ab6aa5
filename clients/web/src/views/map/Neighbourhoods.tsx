import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { number, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Link } from "../../router";
import { shownTheme } from "../../theme";
import type { Neighbourhood } from "./labels";
import { messages } from "./messages";
import { css, paletteOf } from "./palette";

/** The map as a list: for those who do not see it, use no mouse, or look for a name. */
export function Neighbourhoods(props: {
  clusters: readonly Neighbourhood[];
  onShow: (cluster: number) => void;
}): VNode | null {
  const m = useMessages(messages);
  const shown = useSignal(-1);
  if (props.clusters.length === 0) return null;
  const palette = paletteOf(props.clusters, shownTheme.value === "dark");
  return (
    <section class="neighbourhoods" aria-labelledby="neighbourhoods">
      <h2 id="neighbourhoods">{m("neighbourhoods")}</h2>
      <ul>
        {props.clusters.map((cluster, place) => {
          const words = cluster.words.join(", ") || m("nameless");
          return (
            <li
              key={`${place} ${words}`}
              class={place === shown.value ? "neighbourhood shown" : "neighbourhood"}
            >
              <button
                type="button"
                onClick={() => {
                  shown.value = place;
                  props.onShow(place);
                }}
              >
                <Mark colour={css(palette.clusters[place] ?? 0)} />
                <span class="neighbourhood-words">{words}</span>{" "}
                <span class="neighbourhood-count">
                  {number(cluster.count)}
                  <span class="visually-hidden">
                    {" "}
                    {m("neighbourhood.products", { count: cluster.count })}
                  </span>
                </span>
              </button>
              {place === shown.value && cluster.words.length > 0 && (
                <Link
                  class="icon-button"
                  href={`/?${new URLSearchParams({ q: cluster.words.join(" ") })}`}
                  aria-label={m("area", { words })}
                  title={m("neighbourhood.search")}
                >
                  <Icon name="search" size={18} />
                </Link>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Mark({ colour }: { colour: string }): VNode {
  return <span class="neighbourhood-mark" aria-hidden="true" style={{ background: colour }} />;
}
