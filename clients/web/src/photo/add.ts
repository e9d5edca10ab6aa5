import { signal } from "@preact/signals";
import { type AppError, toAppError } from "../api/errors";
import { route } from "../router";
import { EMPTY, WANTED } from "../search/query";
import { query, searchFor } from "../search/state";
import { prepare } from "./intake";
import { keep } from "./store";

/** A photograph is being made ready. */
export const preparing = signal(false);
/** Why the last photograph could not be used. */
export const photoFailure = signal<AppError | null>(null);

/** Searches by a photograph, in place of one that was given before; words and filters stay. */
export async function searchByPhoto(file: Blob): Promise<void> {
  preparing.value = true;
  photoFailure.value = null;
  try {
    const { sha256 } = await keep(await prepare(file));
    const base = route.peek().view === "search" ? query.peek() : EMPTY;
    const others = base.parts.filter((part) => part.kind !== "photo");
    searchFor({ ...base, parts: [{ kind: "photo", sha256, weight: WANTED }, ...others] });
  } catch (thrown) {
    photoFailure.value = toAppError(thrown);
  } finally {
    preparing.value = false;
  }
}

/** The first photograph among what was dropped or pasted. */
export function photoAmong(data: DataTransfer | null): File | undefined {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0];
}
