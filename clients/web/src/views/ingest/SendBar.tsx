import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { announce } from "../../announce";
import { focusView } from "../../focus";
import { useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { hasFailed, tally, usablePhotos } from "./drafts";
import { messages } from "./messages";
import {
  brokenOff,
  clearFinished,
  drafts,
  running,
  sendable,
  sendFailed,
  sendNew,
  stop,
  totalBytes,
} from "./store";

/** What would be sent, how far it is, and the buttons that begin and end it. */
export function SendBar(): VNode {
  const m = useMessages(messages);
  const all = drafts.value;
  const counts = tally(all);
  const isRunning = running.value !== null;
  const fresh = all.filter(({ progress }) => progress.at === "draft");
  const ready = sendable(fresh);
  const photos = ready.reduce((sum, draft) => sum + usablePhotos(draft).length, 0);
  const total = all.length - counts.drafts;
  const done = total - counts.underway;
  const outcome = outcomeWords(m, counts);

  // Screen readers hear the end; the single steps would only talk over each other.
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && !isRunning && outcome) announce(m("finished", { what: outcome }));
    // The button that began or stopped it may be gone.
    if (wasRunning.current !== isRunning && document.activeElement === document.body) focusView();
    wasRunning.current = isRunning;
  }, [isRunning]);

  return (
    <div class="send-bar">
      {brokenOff.value && !isRunning && <Notice error={brokenOff.value} />}
      <div class="send-bar-row">
        <div class="send-bar-words">
          {isRunning ? (
            <p class="send-bar-progress">
              <progress value={done} max={total} aria-label={m("progress.label")} />
              {m("progress", { done, total })}
            </p>
          ) : (
            ready.length > 0 && (
              <p>
                {m("summary", {
                  count: ready.length,
                  photos: m("photographs", { count: photos }),
                  size: totalBytes(ready) / 1e6,
                })}
              </p>
            )
          )}
          {outcome && <p class="send-bar-outcome">{outcome}</p>}
          {fresh.length > ready.length && !isRunning && (
            <p class="draft-problem">{m("blocked", { count: fresh.length - ready.length })}</p>
          )}
        </div>
        <div class="send-bar-buttons">
          {!isRunning && counts.stored + counts.unchanged > 0 && (
            <button
              type="button"
              class="button quiet"
              onClick={() => {
                focusView();
                clearFinished();
              }}
            >
              {m("clear.finished")}
            </button>
          )}
          {!isRunning && sendable(all.filter(hasFailed)).length > 0 && (
            <button type="button" class="button" onClick={() => void sendFailed()}>
              {m("retry.failed")}
            </button>
          )}
          {isRunning ? (
            <button
              type="button"
              class="button"
              onClick={(event) => {
                // The second click of two on what stood here before means to send.
                if (event.detail < 2) stop();
              }}
            >
              {m("stop")}
            </button>
          ) : (
            ready.length > 0 && (
              <button type="button" class="button primary" onClick={() => void sendNew()}>
                {m("send", { count: ready.length })}
              </button>
            )
          )}
        </div>
      </div>
    </div>
  );
}

function outcomeWords(
  m: (key: "done.stored" | "done.unchanged" | "done.failed", values: { count: number }) => string,
  counts: ReturnType<typeof tally>,
): string {
  const parts = (["stored", "unchanged", "failed"] as const).filter((part) => counts[part] > 0);
  return parts.map((part) => m(`done.${part}`, { count: counts[part] })).join(", ");
}
