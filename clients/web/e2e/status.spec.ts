import { expect, type Page, test } from "@playwright/test";

test("every service is told by name, word and model, and the counts are those of the catalogue", async ({
  page,
}) => {
  await page.goto("/status");
  await expect(page).toHaveTitle("Status · Lookalike");
  await expect(page.locator(".overall")).toHaveText("Everything works.");
  const services = page.getByRole("region", { name: "Services" });
  for (const name of ["Gateway", "Segmenter", "Embedder", "Index"]) {
    const card = services
      .getByRole("listitem")
      .filter({ has: page.getByRole("heading", { name, exact: true }) });
    await expect(card).toContainText("Works");
  }
  await expect(services).toContainText("lookalike-mini");
  const products = page.locator(".counts > div").filter({ hasText: "Products" }).locator("dd");
  expect(Number((await products.textContent())?.replaceAll(",", ""))).toBeGreaterThanOrEqual(15);
});

test("searches show in the load within a few answers", async ({ page }) => {
  await page.goto("/?q=shirt");
  await expect(page.locator(".results")).toHaveAttribute("aria-busy", "false");
  await page.goto("/status");
  const searches = page.locator(".figure").filter({ hasText: "Searches a second" });
  await expect(searches).toContainText(/half within .* 95 % within/);
  await expect(searches.getByRole("img")).toHaveAccessibleName(/the last five minutes/);
});

/** Has the page believe that its tab is hidden, or seen again. */
async function show(page: Page, state: "visible" | "hidden"): Promise<void> {
  await page.evaluate((now) => {
    Object.defineProperty(document, "hidden", { value: now === "hidden", configurable: true });
    Object.defineProperty(document, "visibilityState", { value: now, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("it asks again while it is seen, and not while it is hidden", async ({ page }) => {
  let asked = 0;
  let answered = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/GetStatus")) asked++;
  });
  page.on("requestfinished", (request) => {
    if (request.url().endsWith("/GetStatus")) answered++;
  });
  await page.clock.install();
  await page.goto("/status");
  await expect(page.locator(".overall")).toBeVisible();
  expect(asked).toBe(1);
  await page.clock.runFor(6000);
  await expect.poll(() => answered).toBe(2);
  await show(page, "hidden");
  await page.clock.runFor(60_000);
  expect(asked).toBe(2);
  await show(page, "visible");
  await expect.poll(() => answered).toBe(3);
});

test("it speaks Spanish and Catalan too", async ({ page }) => {
  await page.goto("/status?lang=es");
  await expect(page.locator(".overall")).toHaveText("Todo funciona.");
  await page.goto("/status?lang=ca");
  await expect(page.locator(".overall")).toHaveText("Tot funciona.");
});
