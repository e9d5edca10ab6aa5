import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { map } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import { lang, t, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { Skeleton } from "../../parts/Skeleton";
import { useScrollBack } from "../scroll-back";
import { ago } from "../status/words";
import { type Atlas, readAtlas } from "./atlas";
import { Draw } from "./Draw";
import { Find } from "./Find";
import { MapCanvas } from "./MapCanvas";
import { messages } from "./messages";
import { Neighbourhoods } from "./Neighbourhoods";
import type { Stage } from "./stage";
import "./map.css";

/** The whole catalogue as a picture. */
export default function CatalogueMap(): VNode {
  const m = useMessages(messages);
  const atlas = useSignal<Atlas | null>(null);
  const error = useSignal<AppError | null>(null);
  const again = useSignal(0);
  useEffect(() => {
    document.title = `${m("title")} · Lookalike`;
  }, [lang.value]);
  useEffect(() => {
    const gone = new AbortController();
    error.value = null;
    readAtlas(map, gone.signal).then(
      (read) => {
        atlas.value = read;
      },
      (thrown: unknown) => {
        if (!gone.signal.aborted) error.value = toAppError(thrown);
      },
    );
    return () => gone.abort();
  }, [again.value]);
  const reload = (): void => {
    again.value++;
  };

  useScrollBack(atlas.value !== null);

  if (error.value?.reason === "MAP_NOT_FOUND") return <NoMap onDrawn={reload} />;
  if (error.value) {
    return (
      <div class="page">
        <h1>{m("title")}</h1>
        <Notice error={error.value} onRetry={reload} />
      </div>
    );
  }
  return atlas.value ? <Shown atlas={atlas.value} onDrawn={reload} /> : <Waiting />;
}

function Shown({ atlas, onDrawn }: { atlas: Atlas; onDrawn: () => void }): VNode {
  const m = useMessages(messages);
  const stage = useSignal<Stage | null>(null);
  const when = ago(atlas.drawnMs, Date.now(), lang.value);
  return (
    <div class="map">
      <div class="map-head">
        <h1>{m("title")}</h1>
        <p class="map-lead">{m("lead")}</p>
        <Find atlas={atlas} onFound={(points) => stage.value?.mark(points)} />
      </div>
      <MapCanvas
        atlas={atlas}
        onStage={(made) => {
          stage.value = made;
        }}
      />
      <div class="map-side">
        <Neighbourhoods clusters={atlas.clusters} onShow={(cluster) => stage.value?.showCluster(cluster)} />
        <div class="map-facts">
          <p>{m("facts", { count: atlas.points.ids.length, when, method: atlas.method })}</p>
          {atlas.missing > 0 && (
            <>
              <p>{m("missing", { count: atlas.missing })}</p>
              <Draw label={m("redraw")} onDrawn={onDrawn} />
            </>
          )}
        </div>
      </div>
    </div>
  );
}

function NoMap({ onDrawn }: { onDrawn: () => void }): VNode {
  const m = useMessages(messages);
  return (
    <div class="page map-none">
      <h1>{m("none.title")}</h1>
      <p class="lead">{m("none.text")}</p>
      <Draw label={m("draw")} onDrawn={onDrawn} />
    </div>
  );
}

function Waiting(): VNode {
  const m = useMessages(messages);
  return (
    <div class="map" aria-busy="true">
      <div class="map-head">
        <h1>{m("title")}</h1>
        <p class="visually-hidden">{t("view.loading")}</p>
        <Skeleton shape="line" />
        <Skeleton shape="short" />
        <Skeleton shape="line" />
      </div>
      <div class="map-stage" />
    </div>
  );
}
