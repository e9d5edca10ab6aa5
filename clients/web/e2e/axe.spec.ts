import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { cards, choosePhotograph, photographOf, settled } from "./catalogue";

/** What axe finds, as one line each: rule, place, and what is wrong there. */
async function violations(page: Page): Promise<string[]> {
  // What fades in is not yet what people read.
  await page.evaluate(() =>
    Promise.all(document.getAnimations().map((one) => one.finished.catch(() => one))),
  );
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id} ${node.target}: ${node.failureSummary}`),
  );
}

async function openProduct(page: Page, words = "sneakers"): Promise<void> {
  await page.goto(`/?q=${words}`);
  await settled(page);
  await cards(page).first().getByRole("link").click();
  await expect(page.locator("article.best")).toBeVisible();
}

/** Every view, in the states that people see it in. */
const STATES: Record<string, (page: Page) => Promise<void>> = {
  "the catalogue": async (page) => {
    await page.goto("/");
    await settled(page);
  },
  "results with filters and parts": async (page) => {
    await page.goto("/?q=hoodie&text=blue~-0.5&colour=black&colour=white&category=Hoodies");
    await settled(page);
  },
  "a photograph and its garments": async (page) => {
    const { file } = await photographOf(page, "hoodie");
    await page.goto("/");
    await choosePhotograph(page, file);
    await settled(page);
  },
  "a search without results": async (page) => {
    await page.goto("/?category=nothing+of+the+kind");
    await expect(page.locator(".results")).toHaveAttribute("aria-busy", "false");
  },
  "language and appearance": async (page) => {
    await page.goto("/");
    await settled(page);
    await page.getByRole("button", { name: "Language and appearance" }).click();
  },
  "a product": (page) => openProduct(page),
  "a product with its garments drawn": async (page) => {
    await openProduct(page, "hoodie");
    await page.getByRole("button", { name: "Show the garments found" }).click();
  },
  "an enlarged photograph": async (page) => {
    await openProduct(page);
    await page.getByRole("button", { name: "Enlarge" }).click();
    await expect(page.getByRole("dialog").getByRole("img")).toBeVisible();
  },
  "an unknown product": async (page) => {
    await page.goto("/product/nothing");
    await expect(page.locator(".product-missing")).toBeVisible();
  },
  "the map": async (page) => {
    await page.goto("/map");
    await expect(page.locator(".map-overlay, .map-none").first()).toBeVisible();
  },
  "products to add, one of them wrong": async (page) => {
    await page.goto("/ingest");
    const junk = { mimeType: "image/jpeg", buffer: Buffer.from("no photograph") };
    const empty = { mimeType: "image/jpeg", buffer: Buffer.alloc(0) };
    await page.locator('[data-choose="files"]').setInputFiles([
      { name: "axe-junk.jpg", ...junk },
      { name: "axe-empty.jpg", ...empty },
    ]);
    await page.getByRole("button", { name: "Add 1 product" }).click();
    await expect(page.locator(".draft.refused")).toBeVisible();
  },
  "the status": async (page) => {
    await page.goto("/status");
    await expect(page.locator(".overall")).toBeVisible();
  },
  "an address that leads nowhere": async (page) => {
    await page.goto("/");
    await page.evaluate(() => {
      history.pushState(null, "", "/nowhere");
      dispatchEvent(new PopStateEvent("popstate", { state: null }));
    });
    await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
  },
};

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });
    for (const [state, open] of Object.entries(STATES)) {
      test(`axe finds nothing wrong with ${state}`, async ({ page }) => {
        await open(page);
        expect(await violations(page)).toEqual([]);
      });
    }
  });
}
