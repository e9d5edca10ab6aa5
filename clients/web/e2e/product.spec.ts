import { expect, type Page, test } from "@playwright/test";
import { cards, settled } from "./catalogue";

/** Opens the page of a product that has several photographs. */
async function openOne(page: Page): Promise<string> {
  await page.goto("/?q=sneakers");
  await settled(page);
  await cards(page).first().getByRole("link").click();
  await expect(page).toHaveURL(/\/product\//);
  const name = page.getByRole("heading", { level: 1 });
  await expect(name).toBeVisible();
  return (await name.textContent()) ?? "";
}

const thumbs = (page: Page) => page.getByRole("list", { name: "Photographs" }).getByRole("button");
const similar = (page: Page) => page.getByRole("region", { name: "More like this" });

test("a product shows all its photographs, by mouse and by keys", async ({ page }) => {
  const name = await openOne(page);
  await expect(page).toHaveTitle(`${name} · Lookalike`);
  const count = await thumbs(page).count();
  expect(count).toBeGreaterThan(1);
  const large = page.getByRole("button", { name: "Enlarge" }).getByRole("img");
  const first = await large.getAttribute("src");
  await thumbs(page).nth(1).click();
  await expect(thumbs(page).nth(1)).toHaveAttribute("aria-current", "true");
  await expect(large).not.toHaveAttribute("src", first ?? "");
  await page.keyboard.press("ArrowLeft");
  await expect(thumbs(page).first()).toHaveAttribute("aria-current", "true");
  await expect(thumbs(page).first()).toBeFocused();
  await expect(large).toHaveAttribute("src", first ?? "");
  await page.keyboard.press("ArrowLeft");
  await expect(thumbs(page).nth(count - 1)).toHaveAttribute("aria-current", "true");
});

test("a photograph can be enlarged, and Escape leads back", async ({ page }) => {
  await openOne(page);
  await page.getByRole("button", { name: "Enlarge" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("img")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Enlarge" })).toBeFocused();
});

test("five similar products follow the closest match with all its photographs; ten if asked", async ({
  page,
}) => {
  await openOne(page);
  const best = similar(page).locator("article.best");
  await expect(best.getByRole("heading")).toBeVisible();
  await expect(best.getByRole("listitem").first().locator("img")).toBeVisible();
  const others = similar(page).locator("article.card");
  await expect(others).toHaveCount(5);
  await similar(page).getByRole("button", { name: "10", exact: true }).click();
  await expect(others).toHaveCount(10);
  await expect(page).toHaveURL(/k=10/);
  await page.reload();
  await expect(others).toHaveCount(10);
});

test("going back from a similar product finds the page as it was left", async ({ page }) => {
  const name = await openOne(page);
  const last = similar(page).locator("article.card").last();
  await last.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  expect(before).toBeGreaterThan(0);
  await last.getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).not.toHaveText(name);
  await expect(similar(page).locator("article.best")).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(before);
});

test("the product itself is never among its likes", async ({ page }) => {
  await openOne(page);
  await expect(similar(page).locator("article.best")).toBeVisible();
  const own = decodeURIComponent(new URL(page.url()).pathname.split("/").at(-1) ?? "");
  expect(own).not.toBe("");
  await expect(similar(page).locator(`article[data-product="${own}"]`)).toHaveCount(0);
});

test("an attribute leads to a search by it, and the button to a search by the product", async ({ page }) => {
  const name = await openOne(page);
  const address = page.url();
  await page.getByRole("link", { name: /^Search: Category/ }).click();
  await expect(page).toHaveURL(/\/\?category=/);
  await settled(page);
  await page.goto(address);
  await page.getByRole("button", { name: "Search with this" }).click();
  await expect(page).toHaveURL(/\/\?like=/);
  await settled(page);
  await expect(page.locator(".part-name", { hasText: name })).toBeVisible();
});

test("what is alike in another colour is shown where there is one", async ({ page }) => {
  await page.goto("/?q=hoodie&category=Hoodies");
  await settled(page);
  const about = await cards(page).first().locator(".card-about").textContent();
  const colour = about?.split(" · ")[0] ?? "";
  await cards(page).first().getByRole("link").click();
  const others = page.getByRole("region", { name: "Like this, in another colour" }).locator(".card-about");
  await expect(others.first()).toBeVisible();
  for (const text of await others.allTextContents()) {
    expect(text).toContain("Hoodies");
    expect(text.split(" · ")[0]).not.toBe(colour);
  }
});

test("the garments found can be drawn over the photograph", async ({ page }) => {
  await page.goto("/?q=hoodie");
  await settled(page);
  await cards(page).first().getByRole("link").click();
  const toggle = page.getByRole("button", { name: "Show the garments found" });
  await toggle.click();
  await expect(page.locator(".garment-boxes rect").first()).toBeVisible();
  await page.getByRole("button", { name: "Hide the garments" }).click();
  await expect(page.locator(".garment-boxes")).toHaveCount(0);
});

test("the link can be copied", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openOne(page);
  await page.getByRole("button", { name: "Copy link" }).click();
  await expect(page.locator(".product-copied")).toHaveText("The link is copied.");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(page.url());
});

test("an unknown product is told as unknown, and the way back is shown", async ({ page }) => {
  await page.goto("/product/no-such-thing%20%3Cb%3E");
  await expect(page.getByRole("heading", { name: "This product is not here" })).toBeVisible();
  await expect(page.locator("main")).toContainText("no-such-thing <b>");
  await page.getByRole("link", { name: "Search the catalogue" }).click();
  await settled(page);
});
