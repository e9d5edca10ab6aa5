import { expect, test } from "@playwright/test";
import { cards, choosePhotograph, photographOf, settled } from "./catalogue";

test("a link holds the whole state of a search", async ({ page }) => {
  await page.goto("/?q=hoodie&text=blue~-0.5&colour=black&colour=white&category=Hoodies");
  await settled(page);
  await expect(page.getByLabel("Search for clothes")).toHaveValue("hoodie");
  await expect(page.getByRole("button", { name: "Remove blue" })).toBeVisible();
  const filters = page.getByRole("complementary", { name: "Filters" });
  await expect(filters.getByLabel(/black/)).toBeChecked();
  await expect(filters.getByLabel(/white/)).toBeChecked();
  await expect(cards(page)).toHaveCount(2);
  await expect(page).toHaveTitle(/hoodie, not blue, black, white, Hoodies · Lookalike/);
});

test("back and forward go from search to search, and typing is one step", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  const box = page.getByLabel("Search for clothes");
  await box.pressSequentially("hood", { delay: 10 });
  await expect(page).toHaveURL(/q=hood$/);
  await box.pressSequentially("ie", { delay: 10 });
  await expect(page).toHaveURL(/q=hoodie$/);
  await box.press("Enter");
  await page.getByRole("complementary", { name: "Filters" }).getByLabel(/black/).check();
  await expect(page).toHaveURL(/q=hoodie&colour=black$/);
  await page.goBack();
  await expect(page).toHaveURL(/q=hoodie$/);
  await expect(box).toHaveValue("hoodie");
  await page.goBack();
  await expect(page).toHaveURL(/\/$/);
  await expect(box).toHaveValue("");
  await page.goForward();
  await page.goForward();
  await expect(page.getByRole("complementary", { name: "Filters" }).getByLabel(/black/)).toBeChecked();
});

test("going back from a product finds the results as they were left", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  const last = cards(page).last();
  await last.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  expect(before).toBeGreaterThan(0);
  await last.getByRole("link").click();
  await expect(page).toHaveURL(/\/product\//);
  await page.goBack();
  await expect(last).toBeInViewport();
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(before);
});

test("a photograph comes back with its link in this browser, and is asked for in another", async ({
  page,
  browser,
}) => {
  const { name, file } = await photographOf(page, "blue hoodie");
  await page.goto("/");
  await choosePhotograph(page, file);
  await expect(page).toHaveURL(/photo=/);
  await settled(page);
  await page.reload();
  await settled(page);
  await expect(page.getByRole("img", { name: "Your photograph" })).toBeVisible();
  await expect(cards(page).first().getByRole("heading")).toHaveText(name);

  const elsewhere = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await elsewhere.goto(page.url());
  await expect(
    elsewhere.getByRole("heading", { name: "The photograph of this link is not in this browser" }),
  ).toBeVisible();
  await elsewhere.getByRole("button", { name: "Search without it" }).click();
  await settled(elsewhere);
  await expect(elsewhere).toHaveURL(/\/$/);
  await elsewhere.context().close();
});

test("the photograph that a link lacks is searched for once it is given again", async ({ page, browser }) => {
  const { name, file } = await photographOf(page, "blue hoodie");
  await page.goto("/");
  await choosePhotograph(page, file);
  await expect(page).toHaveURL(/photo=/);
  const elsewhere = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await elsewhere.goto(page.url());
  const missing = elsewhere.locator('[data-outcome="missing-photo"]');
  await missing
    .locator('[data-photo-input="file"]')
    .setInputFiles({ name: "photograph", mimeType: "image/png", buffer: file });
  await expect(missing).toHaveCount(0);
  // The address is the same as before; what is shown is not.
  await expect(elsewhere).toHaveURL(page.url());
  await expect(elsewhere.getByRole("img", { name: "Your photograph" })).toBeVisible();
  await settled(elsewhere);
  await expect(cards(elsewhere).first().getByRole("heading")).toHaveText(name);
  await elsewhere.context().close();
});

test("text in a link is text, whatever it says", async ({ page }) => {
  let opened = false;
  page.on("dialog", (dialog) => {
    opened = true;
    void dialog.dismiss();
  });
  const nasty = '<img src=x onerror="alert(1)">';
  await page.goto(`/?q=hoodie&text=${encodeURIComponent(nasty)}`);
  await settled(page);
  await expect(page.locator(".part-name", { hasText: nasty })).toBeVisible();
  expect(opened).toBe(false);
});

test("an address that leads nowhere says so and leads back", async ({ page }) => {
  await page.goto("/");
  await page.evaluate(() => {
    history.pushState(null, "", "/product/%E0%A4%A");
    dispatchEvent(new PopStateEvent("popstate", { state: null }));
  });
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
  await page.getByRole("link", { name: "To the search", exact: true }).click();
  await settled(page);
});
