import { signal } from "@preact/signals";
import { ingest } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import { bytesOf, type Draft, hasFailed, problemOfDraft, withFiles } from "./drafts";
import type { Found } from "./reading";
import { sendAll } from "./sending";

// Of the page, not of the view: what is on its way goes on while people look at something else.

/** The products of this visit, in the order they came. */
export const drafts = signal<readonly Draft[]>([]);
/** Set while products are being sent; aborting it stops that. */
export const running = signal<AbortController | null>(null);
/** What ended the last sending before its end. */
export const brokenOff = signal<AppError | null>(null);

export function add(found: readonly Found[]): void {
  drafts.value = withFiles(drafts.value, found);
}

export function put(draft: Draft): void {
  drafts.value = drafts.value.map((one) => (one.id === draft.id ? draft : one));
}

export function take(id: number): void {
  drafts.value = drafts.value.filter((one) => one.id !== id);
}

/** Takes away what is done and in order. */
export function clearFinished(): void {
  drafts.value = drafts.value.filter((one) => one.progress.at !== "stored" || hasFailed(one));
}

/** Sends everything that was not sent yet. */
export function sendNew(): Promise<void> {
  return send(drafts.value.filter(({ progress }) => progress.at === "draft"));
}

/** Sends again what failed, and nothing else. */
export function sendFailed(): Promise<void> {
  return send(drafts.value.filter(hasFailed));
}

/** Sends one again. */
export function sendAgain(draft: Draft): Promise<void> {
  return send([draft]);
}

export function stop(): void {
  running.value?.abort();
}

/** Deletes a product that was stored. */
export async function deleteStored(draft: Draft): Promise<AppError | undefined> {
  try {
    const id = draft.productId.trim();
    await ingest.deleteProducts({ productIds: [id] });
    // It may have been added twice under one identifier: none of it is there any more.
    const gone = (one: Draft): boolean => one.progress.at === "stored" && one.productId.trim() === id;
    drafts.value = drafts.value.filter((one) => !gone(one));
    return undefined;
  } catch (thrown) {
    return toAppError(thrown);
  }
}

/** Those that can be sent as they are. */
export function sendable(some: readonly Draft[]): Draft[] {
  return some.filter((draft) => problemOfDraft(draft, drafts.value) === undefined);
}

/** What they weigh on the wire. */
export function totalBytes(some: readonly Draft[]): number {
  return some.reduce((sum, draft) => sum + bytesOf(draft), 0);
}

async function send(wanted: readonly Draft[]): Promise<void> {
  const chosen = sendable(wanted).map(withoutFailures);
  if (running.value || chosen.length === 0) return;
  const stopper = new AbortController();
  running.value = stopper;
  // What has arrived is safe, but the rest of the list lives in this page only.
  addEventListener("beforeunload", askToStay);
  brokenOff.value = null;
  try {
    brokenOff.value = (await sendAll(ingest, chosen, stopper.signal, put)) ?? null;
  } finally {
    removeEventListener("beforeunload", askToStay);
    running.value = null;
  }
}

function askToStay(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

function withoutFailures(draft: Draft): Draft {
  return { ...draft, photos: draft.photos.map((photo) => ({ ...photo, failure: undefined })) };
}
