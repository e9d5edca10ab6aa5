import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { map } from "../../api/clients";
import { lang, t, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { Skeleton } from "../../parts/Skeleton";
import { ago } from "../ago";
import { useAnswer } from "../answer";
import { useScrollBack } from "../scroll-back";
import { useTitle } from "../title";
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
  const [answer, again] = useAnswer("map", (signal) => readAtlas(map, signal));
  useTitle(m("title"));
  useScrollBack(answer.state === "ready");

  if (answer.state === "failed") {
    if (answer.error.reason === "MAP_NOT_FOUND") return <NoMap onDrawn={again} />;
    return (
      <div class="page">
        <h1>{m("title")}</h1>
        <Notice error={answer.error} onRetry={again} />
      </div>
    );
  }
  return answer.state === "ready" ? <Shown atlas={answer.value} onDrawn={again} /> : <Waiting />;
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
              <Draw key={atlas.id} label={m("redraw")} onDrawn={onDrawn} />
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
