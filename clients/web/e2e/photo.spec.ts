import { expect, test } from "@playwright/test";
import { cards, choosePhotograph, photographOf, settled } from "./catalogue";

test("a photograph of a product finds the product, and a garment on it can be searched for alone", async ({
  page,
}) => {
  const { name, file } = await photographOf(page, "blue hoodie");
  await page.goto("/");
  await choosePhotograph(page, file);
  await expect(page).toHaveURL(/\?photo=[0-9a-f]{64}$/);
  await expect(page.getByRole("heading", { name: "This is what was recognised" })).toBeVisible();
  await settled(page);
  await expect(cards(page).first().getByRole("heading")).toHaveText(name);

  const garments = page.getByRole("group", { name: "Garments found" });
  await expect(garments.getByRole("button", { name: "All clothing" })).toHaveAttribute(
    "aria-pressed",
    "true",
  );
  await expect(page.locator(".outline-line").first()).toHaveAttribute("d", /^M.+Z$/);
  const garment = garments.getByRole("button", { name: /body, \d+/ }).first();
  await garment.click();
  await expect(page).toHaveURL(/photo=[0-9a-f]{64}\.(upper|lower|full)$/);
  await expect(garment).toHaveAttribute("aria-pressed", "true");
  await settled(page);
});

test("original, mask and green screen are shown in turn", async ({ page }) => {
  const { file } = await photographOf(page, "polo shirt");
  await choosePhotograph(page, file);
  const look = page.getByRole("group", { name: "What is shown" });
  await look.getByRole("button", { name: "Mask" }).click();
  await expect(page.locator(".outlines.solid")).toBeVisible();
  await look.getByRole("button", { name: "Green screen" }).click();
  const screen = page.locator(".stage-screen");
  await expect(screen).toBeVisible();
  // Around the garment it is green: the corner says so.
  const corner = await screen.evaluate((image: HTMLImageElement) => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d");
    context?.drawImage(image, 0, 0);
    return [...(context?.getImageData(2, 2, 1, 1).data ?? [])];
  });
  expect(corner[1]).toBeGreaterThan(Math.max(corner[0] ?? 0, corner[2] ?? 0) + 80);
});

test("a photograph can be dropped anywhere and mixed with words", async ({ page }) => {
  const { file } = await photographOf(page, "hoodie");
  await page.goto("/");
  await settled(page);
  const data = await page.evaluateHandle(
    (bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
      return transfer;
    },
    [...file],
  );
  await page.dispatchEvent("main", "dragenter", { dataTransfer: data });
  await expect(page.getByText("Let go to search by this photograph")).toBeVisible();
  await page.dispatchEvent("main", "drop", { dataTransfer: data });
  await expect(page).toHaveURL(/photo=/);
  await page.getByLabel("Search for clothes").fill("white");
  await expect(page).toHaveURL(/q=white&photo=/);
  await expect(page.getByRole("list", { name: "What is searched for" }).getByRole("listitem")).toHaveCount(2);
  await settled(page);
});

test("a photograph can be pasted", async ({ page }) => {
  const { file } = await photographOf(page, "hoodie");
  await page.goto("/");
  await settled(page);
  await page.evaluate(
    (bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
      dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
    },
    [...file],
  );
  await expect(page).toHaveURL(/photo=/);
  await settled(page);
});

test("what is sent is upright, reduced, and holds nothing that the camera wrote", async ({ page }) => {
  await page.goto("/");
  await settled(page);
  // A wide picture, 4,000 pixels, turned by its EXIF to stand upright.
  const wide = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = 4000;
    canvas.height = 1000;
    const context = canvas.getContext("2d");
    if (context) {
      context.fillStyle = "#884422";
      context.fillRect(0, 0, 4000, 1000);
    }
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.8));
    return [...new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0))];
  });
  const orientation = Buffer.from(
    "ffe1002245786966000049492a00080000000100120103000100000006000000000000000000".slice(0, 72),
    "hex",
  );
  const jpeg = Buffer.from(wide);
  const turned = Buffer.concat([jpeg.subarray(0, 2), orientation, jpeg.subarray(2)]);
  const asked = page.waitForRequest((request) => request.url().endsWith("/SegmentImage"));
  await choosePhotograph(page, turned, "image/jpeg");
  const sent = (await asked).postDataBuffer() ?? Buffer.alloc(0);
  expect(sent.includes("Exif")).toBe(false);
  const photo = page.getByRole("img", { name: "Your photograph" });
  await expect(photo).toBeVisible();
  const size = await photo.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight]);
  expect(size).toEqual([512, 2048]);
});

test("a file that is no photograph is refused with a reason, and the search stays", async ({ page }) => {
  await page.goto("/?q=hoodie");
  await settled(page);
  await choosePhotograph(page, Buffer.from("not a picture"), "image/jpeg");
  await expect(page.getByText("The file is no photograph, or it is damaged.")).toBeVisible();
  await choosePhotograph(page, Buffer.from("%PDF-1.4"), "application/pdf");
  await expect(page.getByText("Photographs of this format cannot be used.")).toBeVisible();
  await expect(page).toHaveURL(/\?q=hoodie$/);
});
