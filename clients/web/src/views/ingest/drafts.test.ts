import { describe, expect, it } from "vitest";
import { localError } from "../../api/errors";
import {
  type Draft,
  hasFailed,
  problemOfDraft,
  tally,
  usablePhotos,
  withFiles,
  withoutPhoto,
} from "./drafts";

const file = (name: string, bytes = 10) => new File([new Uint8Array(bytes)], name, { lastModified: 1 });
const found = (...paths: string[]) => paths.map((path) => ({ path, file: file(path) }));

function only(drafts: readonly Draft[]): Draft {
  expect(drafts).toHaveLength(1);
  return drafts[0] as Draft;
}

describe("drafts", () => {
  it("are made of what is dropped, with a name and an identifier to change", () => {
    const draft = only(withFiles([], found("wrap-skirt_1.jpg", "wrap-skirt_2.jpg")));
    expect(draft).toMatchObject({ productId: "wrap-skirt", name: "Wrap skirt", progress: { at: "draft" } });
    expect(draft.photos).toHaveLength(2);
  });

  it("take later files of the same product, and none twice", () => {
    const first = withFiles([], found("polo_1.jpg"));
    const draft = only(withFiles(first, found("polo_1.jpg", "polo_2.jpg")));
    expect(draft.photos.map((photo) => photo.file.name)).toEqual(["polo_1.jpg", "polo_2.jpg"]);
  });

  it("are left alone once they were sent", () => {
    const sent = withFiles([], found("polo_1.jpg")).map((draft) => ({
      ...draft,
      progress: { at: "stored", unchanged: false } as const,
    }));
    expect(withFiles(sent, found("polo_2.jpg")).map((draft) => draft.productId)).toEqual(["polo", "polo-2"]);
  });

  it("take a photograph in place of one they were refused for", () => {
    const failure = { error: localError("IMAGE_UNDECODABLE"), stage: "decode", retryable: false } as const;
    const refused = withFiles([], found("polo_1.jpg")).map((draft) => ({
      ...withoutPhoto(draft, draft.photos[0]?.key ?? 0),
      progress: { at: "refused", failure } as const,
    }));
    expect(problemOfDraft(only(refused), refused)).toBe("no_photographs");
    const mended = withFiles(refused, found("polo_2.jpg"));
    expect(only(mended)).toMatchObject({ productId: "polo", progress: { at: "refused" } });
    expect(problemOfDraft(only(mended), mended)).toBeUndefined();
  });

  it("cannot be sent without an identifier, or with another's", () => {
    const both = withFiles([], found("a.jpg", "b.jpg"));
    const [first, second] = both as [Draft, Draft];
    expect(problemOfDraft(first, both)).toBeUndefined();
    const empty = { ...first, productId: "  " };
    expect(problemOfDraft(empty, [empty, second])).toBe("no_id");
    const twin = { ...first, productId: "b" };
    expect(problemOfDraft(twin, [twin, second])).toBe("id_taken");
    const done = { ...second, progress: { at: "stored", unchanged: false } as const };
    expect(problemOfDraft(twin, [twin, done])).toBeUndefined();
    const long = { ...first, productId: "ñ".repeat(129) };
    expect(problemOfDraft(long, [long])).toBe("id_too_long");
  });

  it("leave at home what is known to fail", () => {
    const draft = only(withFiles([], [{ path: "a_1.jpg", file: file("a_1.jpg", 0) }, ...found("a_2.jpg")]));
    expect(draft.photos.map((photo) => photo.problem)).toEqual(["empty", undefined]);
    expect(usablePhotos(draft).map((photo) => photo.file.name)).toEqual(["a_2.jpg"]);
    const nothing = { ...draft, photos: draft.photos.slice(0, 1) };
    expect(problemOfDraft(nothing, [nothing])).toBe("no_photographs");
  });

  it("have failed if they were refused, or a photograph of theirs was", () => {
    const draft = only(withFiles([], found("a.jpg")));
    const error = localError("IMAGE_UNDECODABLE");
    const failure = { error, stage: "decode", retryable: false } as const;
    const stored = { ...draft, progress: { at: "stored", unchanged: false } as const };
    expect(hasFailed(draft)).toBe(false);
    expect(hasFailed(stored)).toBe(false);
    expect(hasFailed({ ...draft, progress: { at: "refused", failure } })).toBe(true);
    expect(hasFailed({ ...stored, photos: stored.photos.map((photo) => ({ ...photo, failure })) })).toBe(
      true,
    );
  });

  it("can lose a photograph", () => {
    const draft = only(withFiles([], found("a_1.jpg", "a_2.jpg")));
    const first = draft.photos[0]?.key ?? 0;
    expect(withoutPhoto(draft, first).photos.map((photo) => photo.file.name)).toEqual(["a_2.jpg"]);
  });

  it("are counted by how far they are", () => {
    const [a, b, c, d] = withFiles([], found("a.jpg", "b.jpg", "c.jpg", "d.jpg")) as [
      Draft,
      Draft,
      Draft,
      Draft,
    ];
    const failure = { error: localError("INTERNAL"), stage: "none", retryable: true } as const;
    const lacking = { ...c, photos: c.photos.map((photo) => ({ ...photo, failure })) };
    const all: Draft[] = [
      a,
      { ...lacking, progress: { at: "stored", unchanged: false } },
      { ...b, progress: { at: "sending" } },
      { ...c, progress: { at: "stored", unchanged: true } },
      { ...d, progress: { at: "refused", failure } },
    ];
    expect(tally(all)).toEqual({ drafts: 1, underway: 1, stored: 0, unchanged: 1, failed: 2 });
  });
});
