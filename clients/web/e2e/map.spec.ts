import { expect, type Page, test } from "@playwright/test";

/** Opens the map; the first test that needs it has it drawn. */
async function openMap(page: Page): Promise<void> {
  await page.goto("/map");
  const draw = page.getByRole("button", { name: "Draw the map" });
  const canvas = page.getByRole("application");
  await expect(draw.or(canvas)).toBeVisible();
  if (await draw.isVisible()) await draw.click();
  await expect(canvas).toBeVisible({ timeout: 60_000 });
}

/** The pixels of both canvases as one text: equal pictures, equal texts. */
function drawn(page: Page): Promise<string> {
  return page.evaluate(() => [...document.querySelectorAll("canvas")].map((one) => one.toDataURL()).join());
}

/** What is drawn, once nothing moves any more. */
async function still(page: Page): Promise<string> {
  let before = "";
  await expect
    .poll(async () => {
      const now = await drawn(page);
      const same = now === before;
      before = now;
      return same;
    })
    .toBe(true);
  return before;
}

/** Taps into the middle of the map, where zooming to a neighbourhood has brought its products. */
async function chooseMiddle(page: Page): Promise<void> {
  const box = await page.getByRole("application").boundingBox();
  if (!box) throw new Error("the map has no place");
  // A product may lie beside the middle: look around it in growing rings.
  const chosen = page.getByRole("region", { name: "Chosen product" });
  for (let radius = 0; radius < Math.min(box.width, box.height) / 2; radius += 16) {
    for (let turn = 0; turn < 8; turn++) {
      const angle = (turn / 8) * 2 * Math.PI;
      const x = box.x + box.width / 2 + radius * Math.cos(angle);
      const y = box.y + box.height / 2 + radius * Math.sin(angle);
      await page.mouse.move(x, y);
      const cursor = await page.getByRole("application").evaluate((canvas) => canvas.style.cursor);
      if (cursor !== "pointer") continue;
      await page.mouse.click(x, y);
      if (await chosen.isVisible()) return;
    }
  }
  throw new Error("no product was found on the map");
}

const neighbourhoods = (page: Page) =>
  page.getByRole("region", { name: "Neighbourhoods" }).getByRole("button", { name: / products?$/ });

test("the map is drawn on request, with its neighbourhoods as a list", async ({ page }) => {
  await openMap(page);
  await expect(page).toHaveTitle("Map of the catalogue · Lookalike");
  await expect(page.locator(".map-facts")).toContainText(/\d+ products, drawn .* with/);
  const colours = await page.evaluate(() => {
    const canvas = document.querySelector("canvas");
    const data = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    return new Set(Array.from(new Uint32Array(Uint8ClampedArray.from(data).buffer))).size;
  });
  expect(colours).toBeGreaterThan(1);
});

test("keys move and zoom it, and 0 shows everything again", async ({ page }) => {
  await openMap(page);
  await page.getByRole("application").focus();
  const whole = await still(page);
  for (const key of ["+", "ArrowRight", "-"]) {
    const before = await still(page);
    await page.keyboard.press(key);
    expect(await still(page)).not.toBe(before);
  }
  await page.keyboard.press("0");
  await expect.poll(() => still(page)).toBe(whole);
});

test("the wheel zooms about the pointer, dragging moves, the button shows everything", async ({ page }) => {
  await openMap(page);
  const whole = await still(page);
  const box = await page.getByRole("application").boundingBox();
  if (!box) throw new Error("the map has no place");
  await page.mouse.move(box.x + 200, box.y + 200);
  await page.mouse.wheel(0, -400);
  const near = await still(page);
  expect(near).not.toBe(whole);
  await page.mouse.down();
  await page.mouse.move(box.x + 320, box.y + 260, { steps: 4 });
  await page.mouse.up();
  expect(await still(page)).not.toBe(near);
  await page.getByRole("button", { name: "Show everything" }).click();
  await page.mouse.move(box.x + 2, box.y + 2);
  await expect.poll(() => still(page)).toBe(whole);
});

test("a product on it can be seen, chosen, and searched with", async ({ page }) => {
  await openMap(page);
  await chooseMiddle(page);
  const chosen = page.getByRole("region", { name: "Chosen product" });
  await expect(chosen.getByRole("heading")).not.toHaveText(/^Product /);
  await expect(chosen.locator("img")).toBeVisible();
  const id = await chosen.getAttribute("data-product");
  await chosen.getByRole("link", { name: "More like this" }).click();
  await expect(page).toHaveURL(`/?${new URLSearchParams({ like: id ?? "" })}`);
  await page.goBack();
  await expect(page.getByRole("application")).toBeVisible();
});

test("Escape gives up the chosen product", async ({ page }) => {
  await openMap(page);
  await chooseMiddle(page);
  await page.getByRole("application").focus();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("region", { name: "Chosen product" })).toHaveCount(0);
});

test("words mark what they find, and lead to the list", async ({ page }) => {
  await openMap(page);
  const plain = await still(page);
  await page.getByLabel("Find on the map").fill("hoodie");
  await expect(page.locator(".map-find-said")).toContainText(/\d+ products? (is|are) marked/);
  expect(await still(page)).not.toBe(plain);
  await page.getByRole("link", { name: "See them as a list" }).click();
  await expect(page).toHaveURL(/\/\?q=hoodie$/);
});

test("a neighbourhood of the list is gone to, and can be searched", async ({ page }) => {
  await openMap(page);
  test.skip((await neighbourhoods(page).count()) === 0, "the sample catalogue has no neighbourhood");
  const whole = await still(page);
  await neighbourhoods(page).first().click();
  await expect.poll(() => still(page)).not.toBe(whole);
  await page.getByRole("link", { name: /^Search this neighbourhood/ }).click();
  await expect(page).toHaveURL(/\/\?q=/);
});

test("coming back to the map asks for its header only", async ({ page }) => {
  await openMap(page);
  await page.getByRole("link", { name: "Status" }).click();
  // That view asks when the map was drawn; its answer is not the one meant.
  await expect(page.locator(".counts").getByRole("link", { name: /ago|now/ })).toBeVisible();
  const answer = page.waitForResponse((response) => response.url().endsWith("/GetMap"));
  await page.getByRole("link", { name: "Map", exact: true }).click();
  const again = (await (await answer).body()).length;
  await expect(page.getByRole("application")).toBeVisible();
  const first = await page.request.post("/lookalike.gateway.v1.MapService/GetMap", {
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    data: Buffer.from([0, 0, 0, 0, 0]),
  });
  expect(again).toBeGreaterThan(0);
  expect(again).toBeLessThan((await first.body()).length);
});
