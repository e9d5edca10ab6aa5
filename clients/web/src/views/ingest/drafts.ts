import { LARGEST_PRODUCT_BYTES, type PhotoProblem, problemOf } from "./checks";
import { group, identifierFor, MOST_PHOTOGRAPHS } from "./grouping";
import type { Failure } from "./outcome";
import type { Found } from "./reading";

/** A photograph that is to be sent. */
export interface Photo {
  /** Unique among all drafts of this visit. */
  readonly key: number;
  readonly file: File;
  readonly problem?: PhotoProblem;
  /** Why the gateway could not use it. */
  readonly failure?: Failure;
}

/** Where a product is on its way. */
export type Progress =
  | { readonly at: "draft" }
  | { readonly at: "waiting" }
  | { readonly at: "sending" }
  | { readonly at: "stored"; readonly unchanged: boolean }
  | { readonly at: "refused"; readonly failure: Failure };

/** A product that is being put together. */
export interface Draft {
  /** Unique among all drafts of this visit. */
  readonly id: number;
  /** What made its files one product; see `group`. */
  readonly key: string;
  readonly productId: string;
  readonly name: string;
  readonly category: string;
  readonly colour: string;
  readonly photos: readonly Photo[];
  readonly progress: Progress;
  /** Whether it was added on this visit: sent again, it is still news to the person. */
  readonly added: boolean;
}

/** What keeps a product from being sent. */
export type DraftProblem = "no_id" | "id_too_long" | "id_taken" | "no_photographs" | "too_many" | "too_heavy";

const LONGEST_ID_BYTES = 256;
let nextPhoto = 1;
let nextDraft = 1;

/**
 * Adds files: to the product that they belong to if it was not stored yet (a refused one may lack just
 * them), else as new ones.
 */
export function withFiles(drafts: readonly Draft[], found: readonly Found[]): Draft[] {
  const all = [...drafts];
  const taken = new Set(drafts.map((draft) => draft.productId));
  for (const made of group(found.map(({ path }) => path))) {
    const files = made.members.flatMap((i) => found[i]?.file ?? []);
    const place = all.findIndex(
      (draft) => draft.key === made.key && /^(draft|refused)$/.test(draft.progress.at),
    );
    const existing = all[place];
    if (existing) {
      const fresh = files.filter((file) => !existing.photos.some((photo) => same(photo.file, file)));
      all[place] = { ...existing, photos: [...existing.photos, ...fresh.map(photoOf)] };
    } else {
      const productId = identifierFor(made.name, taken);
      taken.add(productId);
      const photos = files.map(photoOf);
      const blank = { category: "", colour: "", progress: { at: "draft" } as const, added: false };
      all.push({ id: nextDraft++, key: made.key, productId, name: made.name, photos, ...blank });
    }
  }
  return all;
}

/** What keeps a draft from being sent; undefined: nothing. */
export function problemOfDraft(draft: Draft, drafts: readonly Draft[]): DraftProblem | undefined {
  const id = draft.productId.trim();
  if (id === "") return "no_id";
  if (new TextEncoder().encode(id).length > LONGEST_ID_BYTES) return "id_too_long";
  // One that was stored already may be sent again with other photographs: the last wins.
  const rivals = drafts.filter((other) => other !== draft && other.progress.at !== "stored");
  if (rivals.some((other) => other.productId.trim() === id)) return "id_taken";
  const usable = usablePhotos(draft);
  if (usable.length === 0) return "no_photographs";
  if (usable.length > MOST_PHOTOGRAPHS) return "too_many";
  return bytesOf(draft) > LARGEST_PRODUCT_BYTES ? "too_heavy" : undefined;
}

/** The photographs that travel: what is known to fail stays here. */
export function usablePhotos(draft: Draft): Photo[] {
  return draft.photos.filter((photo) => photo.problem === undefined);
}

/** What a draft weighs on the wire. */
export function bytesOf(draft: Draft): number {
  return usablePhotos(draft).reduce((sum, photo) => sum + photo.file.size, 0);
}

/** Whether a product, or a photograph of it, failed: sending it again may help. */
export function hasFailed(draft: Draft): boolean {
  if (draft.progress.at === "refused") return true;
  return draft.progress.at === "stored" && draft.photos.some((photo) => photo.failure !== undefined);
}

function photoOf(file: File): Photo {
  return { key: nextPhoto++, file, problem: problemOf(file.size) };
}

function same(p: File, q: File): boolean {
  return p.name === q.name && p.size === q.size && p.lastModified === q.lastModified;
}

export function withoutPhoto(draft: Draft, photo: number): Draft {
  return { ...draft, photos: draft.photos.filter((one) => one.key !== photo) };
}

/** How far all of it is, in products. */
export interface Tally {
  readonly drafts: number;
  readonly underway: number;
  readonly stored: number;
  readonly unchanged: number;
  /** Products refused, and stored ones that lack a photograph. */
  readonly failed: number;
}

export function tally(drafts: readonly Draft[]): Tally {
  const count = (test: (draft: Draft) => boolean) => drafts.filter(test).length;
  return {
    drafts: count(({ progress }) => progress.at === "draft"),
    underway: count(({ progress }) => progress.at === "waiting" || progress.at === "sending"),
    stored: count(
      (draft) => draft.progress.at === "stored" && !draft.progress.unchanged && !hasFailed(draft),
    ),
    unchanged: count(
      (draft) => draft.progress.at === "stored" && draft.progress.unchanged && !hasFailed(draft),
    ),
    failed: count(hasFailed),
  };
}
