import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { type AppError, toAppError } from "../../api/errors";
import { t as frame, percent, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { greenScreen, type Segmentation, segment } from "../../photo/segmentation";
import { find, urlOfPhoto } from "../../photo/store";
import { type GarmentName, type PhotoPart, withPart } from "../../search/query";
import { query, searchFor } from "../../search/state";
import { messages } from "./messages";
import { Outlines } from "./Outlines";
import "./photo-stage.css";

type Look = "original" | "mask" | "green";
const LOOKS: readonly Look[] = ["original", "mask", "green"];

// What was found is found once, however often a photograph is looked at.
const known = new Map<string, Segmentation>();

/** The photograph that is searched by, with what was recognised on it. */
export function PhotoStage({ part }: { part: PhotoPart }): VNode | null {
  const t = useMessages(messages);
  const found = useSignal<Segmentation | null>(known.get(part.sha256) ?? null);
  const missed = useSignal<AppError | null>(null);
  const tries = useSignal(0);
  const look = useSignal<Look>("original");
  const screen = useGreenScreen(part, look.value === "green", tries.value);
  const url = urlOfPhoto(part.sha256);
  const there = url !== undefined;

  useEffect(() => {
    void find(part.sha256);
  }, [part.sha256]);

  // As soon as it is there: read from the storage, or given anew because it was missing.
  useEffect(() => {
    if (!there || found.peek()) return;
    const giveUp = new AbortController();
    const work = async (): Promise<void> => {
      const photo = await find(part.sha256);
      if (!photo || giveUp.signal.aborted) return;
      const result = await segment(photo, giveUp.signal);
      known.set(part.sha256, result);
      found.value = result;
      missed.value = null;
    };
    work().catch((thrown: unknown) => {
      if (!giveUp.signal.aborted) missed.value = toAppError(thrown);
    });
    return () => giveUp.abort();
  }, [part.sha256, there, tries.value, found, missed]);

  // The results say that it is missing.
  if (!there) return null;

  const choose = (garment: GarmentName | undefined): void => {
    searchFor(withPart(query.peek(), { ...part, garment }));
  };
  const segmentation = found.value;
  const failure = missed.value ?? screen.failure;
  return (
    <section class="stage" aria-label={t("stage.label")}>
      <figure class={`stage-photo ${look.value}`}>
        <img src={url} alt={t("part.photo")} />
        {look.value === "green" && screen.url && <img class="stage-screen" src={screen.url} alt="" />}
        {segmentation && look.value !== "green" && (
          <Outlines
            segmentation={segmentation}
            chosen={part.garment}
            solid={look.value === "mask"}
            onChoose={choose}
          />
        )}
        {(!segmentation || (look.value === "green" && !screen.url)) && !failure && (
          <span class="stage-scan" aria-hidden="true" />
        )}
      </figure>
      <div class="stage-side">
        <h2>{t(missed.value ? "part.photo" : heading(segmentation))}</h2>
        {failure && (
          <Notice
            error={failure}
            onRetry={() => {
              tries.value += 1;
            }}
          />
        )}
        {segmentation && segmentation.garments.length === 0 && (
          <p class="lead">{t(segmentation.path === "" ? "stage.none" : "stage.unnamed")}</p>
        )}
        {segmentation && segmentation.garments.length > 0 && (
          <>
            <p class="lead">{t("stage.how")}</p>
            <div class="stage-garments" role="group" aria-label={t("stage.garments")}>
              <button
                type="button"
                class="garment"
                aria-pressed={part.garment === undefined}
                onClick={() => choose(undefined)}
              >
                {frame("garment.union")}
              </button>
              {segmentation.garments.map(({ name, confidence }) => (
                <button
                  key={name}
                  type="button"
                  class={`garment ${name}`}
                  aria-pressed={part.garment === name}
                  onClick={() => choose(name)}
                >
                  {frame(`garment.${name}`)}, {percent(confidence)}
                </button>
              ))}
            </div>
          </>
        )}
        {segmentation && (
          <div class="segments" role="group" aria-label={t("stage.look")}>
            {LOOKS.map((name) => (
              <button
                key={name}
                type="button"
                aria-pressed={look.value === name}
                onClick={() => {
                  look.value = name;
                }}
              >
                {t(`stage.look.${name}`)}
              </button>
            ))}
          </div>
        )}
      </div>
    </section>
  );
}

function heading(segmentation: Segmentation | null): "stage.looking" | "stage.found" | "stage.noneTitle" {
  if (!segmentation) return "stage.looking";
  return segmentation.path !== "" ? "stage.found" : "stage.noneTitle";
}

/** The green screen's address while it is wanted and there, or why it cannot be had. */
function useGreenScreen(
  part: PhotoPart,
  wanted: boolean,
  tries: number,
): { url: string | null; failure: AppError | null } {
  const url = useSignal<string | null>(null);
  const failure = useSignal<AppError | null>(null);
  // What failed stays told while it is tried again, not once something else is looked at.
  useEffect(() => {
    failure.value = null;
  }, [part.sha256, part.garment, wanted, failure]);
  useEffect(() => {
    if (!wanted) return;
    const giveUp = new AbortController();
    let mine: string | null = null;
    const work = async (): Promise<void> => {
      const photo = await find(part.sha256);
      if (!photo) return;
      const picture = await greenScreen(photo, part.garment, giveUp.signal);
      // Given up a moment too late to be stopped: nobody would ever let go of its address.
      if (giveUp.signal.aborted) return;
      mine = URL.createObjectURL(picture);
      url.value = mine;
      failure.value = null;
    };
    work().catch((thrown: unknown) => {
      if (!giveUp.signal.aborted) failure.value = toAppError(thrown);
    });
    return () => {
      giveUp.abort();
      url.value = null;
      if (mine) URL.revokeObjectURL(mine);
    };
  }, [part.sha256, part.garment, wanted, tries, url, failure]);
  return { url: url.value, failure: failure.value };
}
