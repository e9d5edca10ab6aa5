import { expect, test } from "vitest";
import { isAtHand, keep, urlOfPhoto } from "./store";

test("without storage the newest forty photographs are at hand, and the others hold no memory", async () => {
  const kept = [];
  for (let index = 0; index < 41; index++) {
    const photo = await keep({ blob: new Blob([new Uint8Array([index])]), widthPx: 1, heightPx: 1 });
    kept.push({ sha256: photo.sha256, url: urlOfPhoto(photo.sha256) ?? "" });
  }
  const [first, second] = kept;
  expect(isAtHand(first?.sha256 ?? "")).toBe(false);
  await expect(fetch(first?.url ?? "")).rejects.toThrow();
  expect(isAtHand(second?.sha256 ?? "")).toBe(true);
  await expect(fetch(second?.url ?? "")).resolves.toMatchObject({ ok: true });
});
