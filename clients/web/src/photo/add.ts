import { signal } from "@preact/signals";
import { type AppError, toAppError } from "../api/errors";
import { route } from "../router";
import { EMPTY, WANTED } from "../search/query";
import { draft, query, searchFor } from "../search/state";
import { prepare } from "./intake";
import { keep } from "./store";

/** A photograph is being made ready. */
export const preparing = signal(false);
/** Why the last photograph could not be used. */
export const photoFailure = signal<AppError | null>(null);

let newest = 0;

/** Searches by a photograph, in place of one that was given before; words and filters stay. */
export async function searchByPhoto(file: Blob): Promise<void> {
  // A small photograph that is given after a large one is ready before it.
  newest += 1;
  const mine = newest;
  preparing.value = true;
  photoFailure.value = null;
  try {
    const { sha256 } = await keep(await prepare(file));
    if (mine !== newest) return;
    // Of the words, what has been typed since, searched for or not yet.
    const base = route.peek().view === "search" ? { ...query.peek(), text: draft.peek() } : EMPTY;
    const others = base.parts.filter((part) => part.kind !== "photo");
    searchFor({ ...base, parts: [{ kind: "photo", sha256, weight: WANTED }, ...others] });
  } catch (thrown) {
    if (mine === newest) photoFailure.value = toAppError(thrown);
  } finally {
    if (mine === newest) preparing.value = false;
  }
}

/** The first photograph among what was dropped or pasted. */
export function photoAmong(data: DataTransfer | null): File | undefined {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0];
}
