import { expect, type Page, test } from "@playwright/test";

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });

/** Every view, and what shows that it is there. */
const VIEWS = [
  { name: "search", path: "/", there: ".results article" },
  { name: "results", path: "/?q=blue+hoodie&colour=blue", there: ".results article" },
  { name: "product", path: "", there: "article.best" },
  { name: "map", path: "/map", there: ".map-overlay, .map-none" },
  { name: "ingest", path: "/ingest", there: ".dropzone" },
  { name: "status", path: "/status", there: ".overall" },
  { name: "unknown", path: "/product/nothing", there: ".product-missing" },
];

async function open(page: Page, view: (typeof VIEWS)[number]): Promise<void> {
  let path = view.path;
  if (path === "") {
    await page.goto("/?q=sneakers");
    path = (await page.locator(".results article a").first().getAttribute("href")) ?? "";
  }
  await page.goto(path);
  await expect(page.locator(view.there).first()).toBeVisible();
}

for (const view of VIEWS) {
  test(`the view ${view.name} fits a phone: nothing scrolls sideways`, async ({ page }) => {
    await open(page, view);
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(widths[0]).toBeLessThanOrEqual(widths[1] ?? 0);
  });

  test(`the view ${view.name} can be operated by a finger: nothing smaller than 24 pixels`, async ({
    page,
  }) => {
    await open(page, view);
    // WCAG 2.5.8: links within a sentence are left out, as are controls that nobody sees.
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("main button, main a, main input, main select, nav a, header button")]
        .filter((control) => control.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
        .filter((control) => !(control instanceof HTMLAnchorElement && control.closest("p, .attributes")))
        .filter((control) => !control.closest(".visually-hidden"))
        // The label of a box to tick is pressed as well as the box.
        .map((control) => (control instanceof HTMLInputElement && control.closest("label")) || control)
        .map((target) => ({ target, box: target.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 1 && box.height > 1 && (box.width < 24 || box.height < 24))
        .map(
          ({ target, box }) =>
            `${box.width.toFixed(0)}×${box.height.toFixed(0)} ${target.outerHTML.slice(0, 90)}`,
        ),
    );
    expect(small).toEqual([]);
  });
}

test("the gallery is leafed through by swiping", async ({ page }) => {
  await open(page, { name: "product", path: "", there: "article.best" });
  const large = page.locator(".gallery-zoom img");
  const before = await large.getAttribute("src");
  const box = await page.locator(".gallery-stage").boundingBox();
  if (!box) throw new Error("the gallery has no place");
  const touch = { pointerType: "touch", isPrimary: true, pointerId: 7, clientY: box.y + 100 };
  await page.dispatchEvent(".gallery-zoom", "pointerdown", { ...touch, clientX: box.x + 260 });
  await page.dispatchEvent(".gallery-zoom", "pointerup", { ...touch, clientX: box.x + 80 });
  await expect(large).not.toHaveAttribute("src", before ?? "");
});
