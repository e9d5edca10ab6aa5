import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { search } from "../../api/clients";
import { useMessages } from "../../i18n";
import { Icon, type IconName } from "../../parts/Icon";
import type { Atlas } from "./atlas";
import { Chosen, Hovered } from "./Chosen";
import { Lookup } from "./lookup";
import { messages } from "./messages";
import { entry } from "./points";
import { Stage } from "./stage";

/** The map itself, and what is pointed at on it. `onStage` gets the means to lead it from outside. */
export function MapCanvas({
  atlas,
  onStage,
}: {
  atlas: Atlas;
  onStage: (stage: Stage | null) => void;
}): VNode {
  const m = useMessages(messages);
  const dots = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const stage = useSignal<Stage | null>(null);
  const lookup = useRef<Lookup | null>(null);
  const news = useSignal(0);

  useEffect(() => {
    if (!dots.current || !overlay.current) return;
    const gone = new AbortController();
    lookup.current = new Lookup(search, gone.signal, () => {
      news.value++;
      made.redraw();
    });
    const made = new Stage(atlas, lookup.current, dots.current, overlay.current);
    made.redraw();
    stage.value = made;
    onStage(made);
    return () => {
      gone.abort();
      made.end();
      stage.value = null;
      onStage(null);
    };
  }, [atlas]);

  // Read so that what has come since is shown.
  news.value;
  const idOf = (point: number): string => atlas.points.ids[point] ?? "";
  const hovered = stage.value?.hovered.value;
  const chosen = stage.value?.chosen.value ?? -1;
  const under =
    hovered && hovered.point !== chosen ? lookup.current?.product(idOf(hovered.point)) : undefined;
  return (
    <div class="map-stage">
      <canvas ref={dots} class="map-dots" />
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it takes keys of its own, as `application` says */}
      <canvas
        ref={overlay}
        class="map-overlay"
        tabIndex={0}
        role="application"
        aria-label={m("canvas", { count: atlas.points.ids.length })}
      />
      <div class="map-zoom">
        <Zoom icon="add" label={m("zoom.in")} onClick={() => stage.value?.zoom(2)} />
        <Zoom icon="minus" label={m("zoom.out")} onClick={() => stage.value?.zoom(0.5)} />
        <button
          type="button"
          class="icon-button"
          aria-label={m("fit")}
          title={m("fit")}
          onClick={() => stage.value?.showAll()}
        >
          <svg width="18" height="18" viewBox="0 0 24 24" aria-hidden="true" class="map-fit">
            <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />
          </svg>
        </button>
      </div>
      {hovered && under && <Hovered product={under} pointed={hovered} />}
      {chosen >= 0 && (
        <Chosen
          productId={idOf(chosen)}
          product={lookup.current?.product(idOf(chosen))}
          cluster={atlas.clusters[entry(atlas.points.clusters, chosen)]}
          onClose={() => {
            stage.value?.choose(-1);
            overlay.current?.focus();
          }}
        />
      )}
    </div>
  );
}

function Zoom({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }): VNode {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} size={18} />
    </button>
  );
}
