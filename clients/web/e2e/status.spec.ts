import { expect, test } from "@playwright/test";

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

test("it asks again while it is seen, and not while it is hidden", async ({ page, context }) => {
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/GetStatus")) asked++;
  });
  await page.clock.install();
  await page.goto("/status");
  await expect(page.locator(".overall")).toBeVisible();
  expect(asked).toBe(1);
  await page.clock.runFor(6000);
  await expect.poll(() => asked).toBe(2);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.clock.runFor(60_000);
  const whileHidden = asked;
  expect(whileHidden).toBeLessThanOrEqual(3);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: false, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await expect.poll(() => asked).toBeGreaterThan(whileHidden);
  expect(context.pages()).toHaveLength(1);
});

test("it speaks Spanish and Catalan too", async ({ page }) => {
  await page.goto("/status?lang=es");
  await expect(page.locator(".overall")).toHaveText("Todo funciona.");
  await page.goto("/status?lang=ca");
  await expect(page.locator(".overall")).toHaveText("Tot funciona.");
});
