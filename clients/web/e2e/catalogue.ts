import { expect, type Locator, type Page } from "@playwright/test";

// What the specs know of the sample catalogue: it has hoodies, T-shirts, polo shirts and footwear, each with
// photographs of its own. Nothing else is taken for granted, so that another catalogue would do as well.

/** The cards of the results, as they stand. */
export function cards(page: Page): Locator {
  return page.getByRole("list", { name: "Products found" }).getByRole("article");
}

/** Waits until the search is answered and shows something. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator(".results")).toHaveAttribute("aria-busy", "false");
  await expect(cards(page).first()).toBeVisible();
}

/** A photograph of the catalogue itself: that of the first product that a search finds. */
export async function photographOf(page: Page, words: string): Promise<{ name: string; file: Buffer }> {
  await page.goto(`/?q=${encodeURIComponent(words)}`);
  await settled(page);
  const card = cards(page).first();
  const name = (await card.getByRole("heading").textContent()) ?? "";
  const source = await card.locator("img").first().getAttribute("src");
  const answer = await page.request.get((source ?? "").replace(/max_side_px=\d+/, "max_side_px=1280"));
  expect(answer.status()).toBe(200);
  return { name, file: await answer.body() };
}

/** Gives the page a photograph through its file chooser. */
export async function choosePhotograph(page: Page, file: Buffer, mimeType = "image/png"): Promise<void> {
  await page
    .getByRole("search")
    .locator('[data-photo-input="file"]')
    .setInputFiles({ name: "photograph", mimeType, buffer: file });
}
