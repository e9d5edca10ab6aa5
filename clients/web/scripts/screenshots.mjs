// Takes the pictures in docs/screens: the main views of a running page that holds the
// sample catalogue (BSD-3-Clause) and nothing else.
//
//   LOOKALIKE_PAGE_URL  the page; else that of `make run`
//   LOOKALIKE_BROWSER   Chromium; else Debian's
//   SCREENSHOTS         the folder to write to; else docs/screens
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";

const base = process.env.LOOKALIKE_PAGE_URL ?? "http://127.0.0.1:8080";
const folder = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../../docs/screens", import.meta.url));

// Each view is seen once in the light and once in the dark.
const DEVICES = {
  desktop: { viewport: { width: 1440, height: 900 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark" },
};

/** Each view: what leads to it. */
const VIEWS = {
  home: (page) => page.goto("/"),
  search: (page) => page.goto("/?q=blue+hoodie"),
  photograph: givePhotograph,
  product: openProduct,
  map: (page) => page.goto("/map"),
  add: (page) => page.goto("/ingest"),
  status: (page) => page.goto("/status"),
};

async function givePhotograph(page) {
  await page.goto("/?q=blue+hoodie");
  const source = await page.locator("article img").first().getAttribute("src");
  const photograph = await page.request.get(source.replace(/max_side_px=\d+/, "max_side_px=1280"));
  await page.goto("/");
  await page
    .getByRole("search")
    .locator('[data-photo-input="file"]')
    .setInputFiles({ name: "hoodie", mimeType: "image/png", buffer: await photograph.body() });
  await page.getByText("This is what was recognised").waitFor();
}

async function openProduct(page) {
  await page.goto("/?q=blue+hoodie");
  await page.locator("article a").first().click();
  await page.waitForURL(/\/product\//);
}

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.LOOKALIKE_BROWSER ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
for (const [device, settings] of Object.entries(DEVICES)) {
  const context = await browser.newContext({
    ...settings,
    baseURL: base,
    locale: "en-GB",
    // Nothing is caught half-way.
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  for (const [view, open] of Object.entries(VIEWS)) {
    await open(page);
    // The status view never stops asking, so there is no silence to wait for: a moment must do.
    await page.waitForTimeout(2500);
    const path = `${folder}/${view}-${device}.jpg`;
    await page.screenshot({ path, type: "jpeg", quality: 80 });
    process.stdout.write(`${path}\n`);
  }
  await context.close();
}
await browser.close();
