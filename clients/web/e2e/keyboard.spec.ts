import { expect, test } from "@playwright/test";
import { cards, settled } from "./catalogue";

test("a search is made, walked through and opened by keys alone", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search for clothes")).toBeFocused();
  await page.keyboard.type("hoodie");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=hoodie/);
  await settled(page);
  await expect(cards(page).first().getByRole("heading")).toContainText("Hoodie");

  await page.keyboard.press("ArrowDown");
  const links = cards(page).getByRole("link");
  await expect(links.nth(0)).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await expect(links.nth(1)).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(links.nth(1)).not.toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(links.nth(1)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(links.nth(0)).toBeFocused();
  await page.keyboard.press("End");
  await expect(links.last()).toBeFocused();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/product\//);
  await page.goBack();
  await expect(page).toHaveURL(/q=hoodie/);
});

test("the first stop leads past the header, and every stop is seen", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  for (let stop = 0; stop < 12; stop++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement ?? document.body);
      return style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2;
    });
    expect(seen).toBe(true);
  }
});

test("a part is weighed by keys, and its panel closes with Escape", async ({ page }) => {
  await page.goto("/?q=hoodie&text=white");
  await settled(page);
  const face = page.getByRole("button", { name: /^white: weight 1/ });
  await face.focus();
  await page.keyboard.press("Enter");
  const slider = page.getByRole("slider", { name: "How much it counts" });
  await expect(slider).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await expect(page).toHaveURL(/text=white~1.25/);
  await page.keyboard.press("ArrowRight");
  await expect(page).toHaveURL(/text=white~1.5/);
  await expect(slider).toHaveAttribute("aria-valuetext", "1.5, towards it");
  await page.keyboard.press("Escape");
  await expect(slider).toBeHidden();
  await expect(page.getByRole("button", { name: /^white: weight 1.5/ })).toBeFocused();
});

test("filters are chosen by keys and the focus stays on them", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  const black = page.getByRole("complementary", { name: "Filters" }).getByLabel(/black/);
  await black.focus();
  await page.keyboard.press("Space");
  await expect(page).toHaveURL(/colour=black/);
  await settled(page);
  await expect(black).toBeFocused();
});

test("what was found is told to those who listen", async ({ page }) => {
  await page.goto("/?q=hoodie");
  await settled(page);
  await expect(page.locator("p[role=status]")).toContainText(/products, closest first/);
});

test("the focus goes to what remains when a part is taken away", async ({ page }) => {
  await page.goto("/?text=hoodie&text=stripes~-0.5&colour=black");
  await settled(page);
  await page.getByRole("button", { name: "Remove hoodie" }).press("Enter");
  await expect(page.getByRole("button", { name: "Remove stripes" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Remove black" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/$/);
  await expect(page.locator("main")).toBeFocused();
});

test("words of the box stay under the slider when they become a part of their own", async ({ page }) => {
  await page.goto("/?q=hoodie&text=white");
  await settled(page);
  await page.getByRole("button", { name: /^hoodie: weight 1/ }).press("Enter");
  await expect(page.getByRole("slider", { name: "How much it counts" })).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await expect(page).toHaveURL(/\?text=hoodie~1.5&text=white$/);
});
