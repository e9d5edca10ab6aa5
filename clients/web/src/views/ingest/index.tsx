import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { announce } from "../../announce";
import { ingest, search } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import { useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { useAnswer } from "../answer";
import { useScrollBack } from "../scroll-back";
import { useTitle } from "../title";
import { DraftCard } from "./DraftCard";
import { Dropzone } from "./Dropzone";
import { existing } from "./existing";
import { messages } from "./messages";
import { SendBar } from "./SendBar";
import { drafts } from "./store";
import "./ingest.css";

const PAUSE_MS = 400;

type Allowed = "asking" | "yes" | "no" | AppError;

/** Adds products: photographs in, grouped, named, sent, each with its outcome. */
export default function Ingest(): VNode {
  const m = useMessages(messages);
  const allowed = useSignal<Allowed>("asking");
  // What was known stays while it is asked again: a notice waits longer each time only if it stays.
  const ask = async (): Promise<void> => {
    allowed.value = await mayWrite();
    if (allowed.value === "no") announce(m("off.title"));
  };
  useEffect(() => void ask(), []);
  useEffect(() => {
    // A file that is let go where none is taken would replace the page, and its list with it.
    const stay = (event: DragEvent): void => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    addEventListener("dragover", stay);
    addEventListener("drop", stay);
    return () => {
      removeEventListener("dragover", stay);
      removeEventListener("drop", stay);
    };
  }, []);
  useTitle(m("title"));

  const now = allowed.value;
  useScrollBack(now !== "asking");
  return (
    <div class="page ingest">
      <h1>{m("title")}</h1>
      {now === "asking" && <p class="lead">{m("checking")}</p>}
      {now === "no" && <SwitchedOff onAgain={ask} />}
      {typeof now === "object" && <Notice error={now} onRetry={ask} />}
      {now === "yes" && <Adding />}
    </div>
  );
}

function Adding(): VNode {
  const m = useMessages(messages);
  const any = drafts.value.length > 0;
  const unsent = drafts.value.filter(({ progress }) => progress.at === "draft");
  const ids = unsent.map((draft) => draft.productId.trim()).filter((id) => id !== "");
  const [known] = useAnswer(JSON.stringify(ids), async (signal) => {
    // People are typing.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return signal.aborted ? new Set<string>() : existing(search, ids, signal);
  });
  return (
    <>
      <p class="lead">{m("lead")}</p>
      <Dropzone small={any} />
      <Suggestions />
      {any && (
        <>
          <h2 class="visually-hidden">{m("list")}</h2>
          <ul class="drafts">
            {drafts.value.map((draft) => (
              <DraftCard
                key={draft.id}
                draft={draft}
                replaces={
                  draft.progress.at === "draft" &&
                  known.state === "ready" &&
                  known.value.has(draft.productId.trim())
                }
              />
            ))}
          </ul>
          <SendBar />
        </>
      )}
    </>
  );
}

function SwitchedOff({ onAgain }: { onAgain: () => void }): VNode {
  const m = useMessages(messages);
  return (
    <section class="ingest-off" aria-labelledby="ingest-off">
      <h2 id="ingest-off">{m("off.title")}</h2>
      <p>{m("off.text")}</p>
      <pre>
        <code>lookalike ingest catalogue.jsonl</code>
      </pre>
      <button type="button" class="button" onClick={onAgain}>
        {m("off.again")}
      </button>
    </section>
  );
}

/** The catalogue's own words, offered while people type: one spelling finds more than three. */
function Suggestions(): VNode {
  const words = useSignal<Record<string, string[]>>({});
  useEffect(() => {
    const gone = new AbortController();
    const ask = async (): Promise<void> => {
      const request = { fields: ["category", "colour"], maxValues: 200 };
      const { facets } = await search.listFacets(request, { signal: gone.signal });
      words.value = Object.fromEntries(
        facets.map(({ field, values }) => [
          field,
          values.flatMap(({ value }) => (value?.kind.case === "stringValue" ? [value.kind.value] : [])),
        ]),
      );
    };
    // A convenience: without it people type the words themselves.
    ask().catch(() => undefined);
    return () => gone.abort();
  }, []);
  return (
    <>
      {["category", "colour"].map((field) => (
        <datalist key={field} id={`ingest-${field}`}>
          {words.value[field]?.map((word) => (
            <option key={word} value={word} />
          ))}
        </datalist>
      ))}
    </>
  );
}

/**
 * Whether the edge lets people add products. A request without any product changes nothing: where
 * writing is allowed the gateway refuses it for being empty, elsewhere the edge refuses it before.
 */
async function mayWrite(): Promise<"yes" | "no" | AppError> {
  try {
    for await (const _ of ingest.ingestBatch({})) break;
    return "yes";
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.reason === "FIELD_INVALID") return "yes";
    return error.reason === "CALL_DISABLED" ? "no" : error;
  }
}
