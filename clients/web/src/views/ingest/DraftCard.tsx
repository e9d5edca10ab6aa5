import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { AppError } from "../../api/errors";
import { focusView } from "../../focus";
import { useMessages } from "../../i18n";
import { errorSentence } from "../../i18n/errors";
import { Icon, type IconName } from "../../parts/Icon";
import { Notice } from "../../parts/Notice";
import { Link, productUrl } from "../../router";
import { type Draft, hasFailed, problemOfDraft, withoutPhoto } from "./drafts";
import { messages } from "./messages";
import type { Failure } from "./outcome";
import { PhotoTile } from "./PhotoTile";
import { deleteStored, drafts, put, running, sendAgain, take } from "./store";

/** A product of the list: its photographs, what it is called, how far it is. */
export function DraftCard({ draft, replaces }: { draft: Draft; replaces: boolean }): VNode {
  const m = useMessages(messages);
  const { at } = draft.progress;
  const underway = at === "waiting" || at === "sending";
  const fixed = underway || at === "stored";
  const title = draft.name || draft.productId;
  return (
    <li class={`draft ${at}`} data-product={draft.productId} aria-busy={underway}>
      <ul class="draft-photos">
        {draft.photos.map((photo) => (
          <PhotoTile
            key={photo.key}
            photo={photo}
            onRemove={
              underway || (at === "stored" && !photo.failure)
                ? undefined
                : () => {
                    focusView();
                    put(withoutPhoto(draft, photo.key));
                  }
            }
          />
        ))}
      </ul>
      <div class="draft-body">
        <div class="draft-fields">
          <Field draft={draft} of="name" label={m("name")} disabled={fixed} />
          <Field draft={draft} of="productId" label={m("identifier")} disabled={fixed || at === "refused"} />
          <Field draft={draft} of="category" label={m("category")} disabled={fixed} />
          <Field draft={draft} of="colour" label={m("colour")} disabled={fixed} />
        </div>
        {replaces && <p class="draft-hint">{m("replaces")}</p>}
        <How draft={draft} />
      </div>
      {!underway && (
        <button
          type="button"
          class="icon-button draft-remove"
          aria-label={m("product.remove", { name: title })}
          title={m("product.remove", { name: title })}
          onClick={() => {
            focusView();
            take(draft.id);
          }}
        >
          <Icon name="close" size={18} />
        </button>
      )}
    </li>
  );
}

function Field(props: {
  draft: Draft;
  of: "name" | "productId" | "category" | "colour";
  label: string;
  disabled: boolean;
}): VNode {
  const { draft, of } = props;
  const id = useId();
  const suggests = of === "category" || of === "colour";
  return (
    <div class="draft-field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        class="field"
        type="text"
        value={draft[of]}
        list={suggests ? `ingest-${of}` : undefined}
        disabled={props.disabled}
        maxLength={of === "productId" ? 256 : 512}
        autocomplete="off"
        onInput={(event) => put({ ...draft, [of]: event.currentTarget.value })}
      />
    </div>
  );
}

/** How far it is, what went wrong, and what can be done. */
function How({ draft }: { draft: Draft }): VNode {
  const m = useMessages(messages);
  const { progress } = draft;
  const failed = hasFailed(draft);
  const problem = progress.at === "draft" || failed ? problemOfDraft(draft, drafts.value) : undefined;
  const failures = draft.photos.flatMap((photo) => (photo.failure ? [photo.failure] : []));
  const hopeless = failures.length > 0 && failures.every((failure) => !failure.retryable);
  return (
    <div class="draft-how">
      <p class={`draft-at is-${failed ? "failed" : progress.at}`}>
        <Icon name={iconOf(draft)} size={16} />
        {m(wordsOf(draft))}
      </p>
      {problem && <p class="draft-problem">{m(`problem.${problem}`)}</p>}
      {draft.photos.map((photo) => {
        const name = photo.file.name;
        if (photo.problem)
          return (
            <p key={photo.key} class="draft-problem">
              {m(`photo.${photo.problem}`, { name })}
            </p>
          );
        return photo.failure && <Why key={photo.key} name={name} failure={photo.failure} />;
      })}
      {progress.at === "refused" && failures.length === 0 && (
        <p class="draft-problem">{errorSentence(progress.failure.error)}</p>
      )}
      {failed && hopeless && <p class="draft-hint">{m("retry.hint")}</p>}
      <div class="draft-actions">
        {progress.at === "stored" && (
          <Link class="button small" href={productUrl(draft.productId.trim())}>
            {m("open")}
          </Link>
        )}
        {failed && (
          <button
            type="button"
            class="button small"
            disabled={running.value !== null || problem !== undefined}
            onClick={() => void sendAgain(draft)}
          >
            <Icon name="reload" size={16} />
            {m("retry")}
          </button>
        )}
        {progress.at === "stored" && !progress.unchanged && <Delete draft={draft} />}
      </div>
    </div>
  );
}

function Why({ name, failure }: { name: string; failure: Failure }): VNode {
  const m = useMessages(messages);
  const why = errorSentence(failure.error);
  if (failure.stage === "none") return <p class="draft-problem">{`${name}: ${why}`}</p>;
  const stage = m(`stage.${failure.stage}`);
  return <p class="draft-problem">{m("photo.failed", { name, why, stage })}</p>;
}

/** Takes back what was added, after asking once. */
function Delete({ draft }: { draft: Draft }): VNode {
  const m = useMessages(messages);
  const asking = useSignal<boolean | null>(null);
  const busy = useSignal(false);
  const error = useSignal<AppError | null>(null);
  const first = useRef<HTMLButtonElement>(null);
  const safe = useRef<HTMLButtonElement>(null);
  // The button that was pressed is gone; nothing is deleted by pressing once more.
  useEffect(() => {
    if (asking.value !== null) (asking.value ? safe : first).current?.focus();
  }, [asking.value]);
  const go = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    error.value = (await deleteStored(draft)) ?? null;
    busy.value = false;
    if (!error.value) focusView();
  };
  if (error.value) return <Notice error={error.value} onRetry={() => void go()} />;
  if (!asking.value) {
    return (
      <button
        type="button"
        class="button small quiet"
        ref={first}
        onClick={() => {
          asking.value = true;
        }}
      >
        {m("delete")}
      </button>
    );
  }
  return (
    <fieldset class="draft-sure" aria-label={m("delete.sure")}>
      <span>{m("delete.sure")}</span>
      <button type="button" class="button small danger" onClick={() => void go()}>
        {m("delete.yes")}
      </button>
      <button
        type="button"
        class="button small quiet"
        ref={safe}
        onClick={() => {
          asking.value = false;
        }}
      >
        {m("delete.no")}
      </button>
    </fieldset>
  );
}

function iconOf(draft: Draft): IconName {
  if (hasFailed(draft)) return "alert";
  const { at } = draft.progress;
  return at === "stored" ? "check" : at === "draft" ? "add" : "reload";
}

function wordsOf(draft: Draft) {
  const { progress } = draft;
  if (progress.at !== "stored") return `at.${progress.at}` as const;
  if (hasFailed(draft)) return "at.partly";
  return progress.unchanged ? "at.unchanged" : "at.stored";
}
