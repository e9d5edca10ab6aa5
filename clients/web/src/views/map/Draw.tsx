import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { map } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import { focusView } from "../../focus";
import { MapStage } from "../../gen/lookalike/type/v1/map_pb";
import { percent, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { messages } from "./messages";

type Step = "stage.neighbours" | "stage.layout" | "stage.clusters" | "stage.stored";

const STEPS: Record<MapStage, Step> = {
  [MapStage.UNSPECIFIED]: "stage.neighbours",
  [MapStage.NEIGHBOURS]: "stage.neighbours",
  [MapStage.LAYOUT]: "stage.layout",
  [MapStage.CLUSTERS]: "stage.clusters",
  [MapStage.STORED]: "stage.stored",
};

/** Has the server draw the map and shows how far it is; tells the command where that is switched off. */
export function Draw({ label, onDrawn }: { label: string; onDrawn: () => void }): VNode {
  const m = useMessages(messages);
  const progress = useSignal<{ step: Step; share: number } | null>(null);
  const error = useSignal<AppError | null>(null);
  // The server goes on when people leave; only the telling ends.
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);

  const draw = async (): Promise<void> => {
    error.value = null;
    progress.value = { step: "stage.neighbours", share: 0 };
    try {
      for await (const { stage, fraction } of map.buildMap({}, { signal: gone.current.signal })) {
        progress.value = { step: STEPS[stage] ?? "stage.neighbours", share: fraction };
      }
      // It is drawn, but not here yet: to be asked for it once more would be wrong.
      onDrawn();
    } catch (thrown) {
      if (gone.current.signal.aborted) return;
      const failed = toAppError(thrown);
      // The call ends after an hour at the latest, the drawing does not: who asks again follows it.
      if (failed.reason === "DEADLINE_PASSED") return draw();
      progress.value = null;
      error.value = failed;
    }
  };

  if (error.value?.reason === "CALL_DISABLED") {
    return (
      <div class="map-command">
        <p role="alert">{m("none.command")}</p>
        <pre>
          <code>lookalike map build</code>
        </pre>
      </div>
    );
  }
  if (progress.value) {
    const { step, share } = progress.value;
    return (
      <div class="map-progress">
        <progress value={share} max={1} aria-label={m("drawing")} />
        <p>
          {/* Each step is said; each hundredth of it would be too much. */}
          <span role="status">{m(step)}</span> · {percent(share)}
        </p>
      </div>
    );
  }
  return (
    <>
      {error.value && <Notice error={error.value} onRetry={() => void draw()} />}
      <button
        type="button"
        class="button primary"
        onClick={() => {
          focusView();
          void draw();
        }}
      >
        {label}
      </button>
    </>
  );
}
