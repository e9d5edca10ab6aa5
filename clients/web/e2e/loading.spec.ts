// What a visit costs and where it goes: promises that the edge and the build keep together.
import { expect, type Page, type Request, test } from "@playwright/test";

const SCRIPT_BYTES = 200_000;

async function shown(page: Page): Promise<void> {
  const photograph = page.locator('img[src*="/images/"]').first();
  await expect(photograph).toBeVisible();
  await expect(photograph).not.toHaveJSProperty("naturalWidth", 0);
  await page.waitForLoadState("networkidle");
}

async function bytesOf(requests: Request[]): Promise<number> {
  const sizes = await Promise.all(requests.map((request) => request.sizes()));
  return sizes.reduce((sum, size) => sum + size.responseBodySize, 0);
}

test("the first results need little script, one question, and nothing from elsewhere", async ({
  page,
  baseURL,
}) => {
  const finished: Request[] = [];
  page.on("requestfinished", (request) => finished.push(request));
  await page.goto("/?q=hoodie");
  await shown(page);

  const scripts = finished.filter((request) => request.resourceType() === "script");
  expect(scripts.length).toBeGreaterThan(0);
  expect(await bytesOf(scripts)).toBeLessThanOrEqual(SCRIPT_BYTES);
  expect(finished.filter((request) => request.url().endsWith("/SearchProducts"))).toHaveLength(1);
  const elsewhere = finished
    .map((request) => request.url())
    .filter((url) => !url.startsWith(`${baseURL}/`) && !/^(blob|data):/.test(url));
  expect(elsewhere).toEqual([]);
});

test("photographs are not fetched a second time", async ({ page }) => {
  await page.goto("/?q=hoodie");
  await shown(page);
  await page.goto("/?q=hoodie&colour=black");
  await shown(page);
  const fetched = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter((entry) => entry.name.includes("/images/"))
      .map((entry) => (entry as PerformanceResourceTiming).transferSize),
  );
  expect(fetched.length).toBeGreaterThan(0);
  expect(Math.max(...fetched)).toBe(0);
});

for (const view of ["/", "/?q=hoodie", "/product/saleor-115", "/map", "/ingest", "/status"]) {
  test(`${view} keeps to the policy and reports no error`, async ({ page }) => {
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    const answer = await page.goto(view);
    expect(answer?.headers()["content-security-policy"]).toContain("default-src 'none'");
    await expect(page.getByRole("main")).toBeVisible();
    await page.waitForLoadState("networkidle");
    expect(complaints).toEqual([]);
  });
}

test("an address that is not the page's is not found", async ({ page }) => {
  const answer = await page.goto("/nothing/here");
  expect(answer?.status()).toBe(404);
});
