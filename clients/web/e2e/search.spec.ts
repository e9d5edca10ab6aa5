import { expect, test } from "@playwright/test";
import { cards, settled } from "./catalogue";

test("words find what they say, closest first, as they are typed", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  await page.getByLabel("Search for clothes").pressSequentially("blue hoodie", { delay: 30 });
  await expect(page).toHaveURL(/\?q=blue\+hoodie$/);
  await expect(page.locator(".results-count")).toHaveText(/closest first/);
  await expect(cards(page).first().getByRole("heading")).toHaveText("Blue Hoodie");
  await expect(cards(page).first()).toContainText(/close/i);
});

test("superseded words are not asked to the end, and their answers are never shown", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  const asked: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/SearchProducts"))
      asked.push(request.postDataBuffer()?.toString("latin1") ?? "");
  });
  await page.getByLabel("Search for clothes").pressSequentially("white sneakers", { delay: 15 });
  await expect(cards(page).first().getByRole("heading")).toHaveText(/Plimsolls/);
  // Fourteen letters typed faster than the pause are few questions, and the last is the whole text.
  expect(asked.length).toBeLessThan(6);
  expect(asked.at(-1)).toContain("white sneakers");
});

test("features filter, with counts that follow the other features", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  const filters = page.getByRole("complementary", { name: "Filters" });
  const colours = filters.getByRole("group", { name: "Colour" });
  await filters
    .getByRole("group", { name: "Category" })
    .getByLabel(/Hoodies/)
    .check();
  await expect(page).toHaveURL(/category=Hoodies/);
  await expect(cards(page)).toHaveCount(4);
  // Yellow is only a shoe's: it is no longer offered.
  await expect(colours.getByLabel(/yellow/)).toHaveCount(0);
  await colours.getByLabel(/black/).check();
  await expect(cards(page)).toHaveCount(1);
  // A second value of a feature adds to the first.
  await colours.getByLabel(/white/).check();
  await expect(cards(page)).toHaveCount(2);
  await page.getByRole("button", { name: "Remove black" }).click();
  await expect(cards(page)).toHaveCount(1);
});

test("a product can be part of a search, weighed, turned round and taken away", async ({ page }) => {
  await page.goto("/?q=hoodie");
  await settled(page);
  const first = cards(page).first();
  const name = (await first.getByRole("heading").textContent()) ?? "";
  await first.hover();
  await first.getByRole("button", { name: `Search for more like ${name}` }).click();
  await expect(page).toHaveURL(/like=/);
  const parts = page.getByRole("list", { name: "What is searched for" });
  await parts.getByRole("button", { name: new RegExp(`^Like ${name}: weight 1`) }).click();
  await page.getByRole("button", { name: "Not this" }).click();
  await expect(page).toHaveURL(/like=[^&]*~-0.5/);
  await settled(page);
  await page.getByRole("button", { name: `Remove Like ${name}` }).click();
  await expect(page).toHaveURL(/\/\?q=hoodie$/);
});

test("what is typed with a not becomes a part that leads away", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  await page.getByLabel("Search for clothes").fill("hoodie, not blue");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=hoodie&text=blue~-0.5/);
  await expect(page.getByRole("button", { name: "Remove blue" })).toBeVisible();
  await settled(page);
  const names = await cards(page).getByRole("heading").allTextContents();
  expect(names.slice(0, 3).join()).toContain("Hoodie");
  expect(names[0]).not.toBe("Blue Hoodie");
});

test("when nothing is close it is said, with ways on", async ({ page }) => {
  await page.goto("/?q=a+red+bicycle");
  await expect(page.getByRole("heading", { name: "Nothing here is really close to that" })).toBeVisible();
  await settled(page);
  await page.getByRole("link", { name: "See the whole catalogue" }).click();
  await expect(page).toHaveURL(/\/$/);
  await expect(page.getByRole("heading", { name: "Find clothes that look alike" })).toBeVisible();
});

test("filters that leave nothing can be taken away at once", async ({ page }) => {
  await page.goto("/?category=Hoodies&colour=yellow");
  await expect(page.getByRole("heading", { name: "No product passes these filters" })).toBeVisible();
  await page.locator(".outcome").getByRole("button", { name: "Remove the filters" }).click();
  await settled(page);
});

test("long results come page by page, each product once", async ({ page }) => {
  await page.goto("/?k=4");
  await settled(page);
  const total = Number((await page.locator(".results-count").textContent())?.replace(/\D/g, ""));
  await expect(async () => {
    await page.mouse.wheel(0, 4000);
    await expect(page.getByText("That is all.")).toBeVisible({ timeout: 500 });
  }).toPass();
  const ids = await cards(page).evaluateAll((all) => all.map((card) => card.getAttribute("data-product")));
  expect(ids).toHaveLength(total);
  expect(new Set(ids).size).toBe(total);
});

test("other photographs of a product show when the mouse moves over it", async ({ page }) => {
  await page.goto("/?q=plimsolls&category=Footwear");
  await settled(page);
  const strip = cards(page).first().locator(".strip");
  const box = await strip.boundingBox();
  if (!box) throw new Error("no picture");
  await page.mouse.move(box.x + box.width * 0.95, box.y + box.height / 2);
  await expect(strip.locator(".strip-frame.shown img")).toBeVisible();
  await expect(strip.locator(".strip-frame").last()).toHaveClass(/shown/);
});

test("the page speaks three languages and remembers which", async ({ page }) => {
  await page.goto("/?lang=es");
  await expect(page.getByRole("heading", { name: "Encuentra ropa parecida" })).toBeVisible();
  await page.getByRole("button", { name: "Idioma y apariencia" }).click();
  await page.getByLabel("Català").check();
  await expect(page.locator("html")).toHaveAttribute("lang", "ca");
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Troba roba semblant" })).toBeVisible();
});

test("the dark is chosen, kept, and asks nobody else for anything", async ({ page, baseURL }) => {
  const strangers: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(baseURL ?? "") && !request.url().startsWith("blob:"))
      strangers.push(request.url());
  });
  await page.goto("/");
  await page.getByRole("button", { name: "Language and appearance" }).click();
  await page.getByLabel("Dark").check();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await settled(page);
  expect(strangers).toEqual([]);
});
