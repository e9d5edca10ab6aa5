import { expect, type Page, test } from "@playwright/test";
import { photographOf } from "./catalogue";

const run = Date.now().toString(36);
const draft = (page: Page, id: string) => page.locator(`.draft[data-product="${id}"]`);

/** Draws a garment in the browser and returns it as a file. */
async function painted(page: Page, colour: string): Promise<Buffer> {
  const url = await page.evaluate((fill) => {
    const canvas = document.createElement("canvas");
    canvas.width = 360;
    canvas.height = 480;
    const pen = canvas.getContext("2d");
    if (!pen) throw new Error("no canvas");
    pen.fillStyle = "#eee";
    pen.fillRect(0, 0, 360, 480);
    pen.fillStyle = fill;
    pen.fillRect(110, 90, 140, 300);
    pen.fillRect(60, 90, 240, 70);
    return canvas.toDataURL("image/jpeg", 0.9);
  }, colour);
  return Buffer.from(url.split(",")[1] ?? "", "base64");
}

/** Chooses files as if by the file chooser. */
async function choose(page: Page, files: Record<string, Buffer>): Promise<void> {
  await page
    .locator('[data-choose="files"]')
    .setInputFiles(Object.entries(files).map(([name, buffer]) => ({ name, mimeType: "image/jpeg", buffer })));
}

/** Deletes a product that a test has added, through the page itself. */
async function undo(page: Page, id: string): Promise<void> {
  await draft(page, id).getByRole("button", { name: "Undo" }).click();
  await draft(page, id).getByRole("button", { name: "Delete", exact: true }).click();
  await expect(draft(page, id)).toHaveCount(0);
}

test("photographs become products, are named, sent, and found", async ({ page }) => {
  const { name, file } = await photographOf(page, "hoodie");
  await page.goto("/ingest");
  await choose(page, { [`copy${run}_1.png`]: file, [`copy${run}_2.jpg`]: await painted(page, "#235") });
  const id = `copy${run}`;
  const card = draft(page, id);
  await expect(card.locator(".photo-tile")).toHaveCount(2);
  await card.getByLabel("Name").fill("Copied hoodie");
  await card.getByLabel("Category").fill("Hoodies");
  await card.getByLabel("Colour").fill("navy");
  await page.getByRole("button", { name: "Add 1 product" }).click();
  await expect(card.locator(".draft-at")).toHaveText("Added");
  await card.getByRole("link", { name: "Open" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Copied hoodie");
  await expect(page.locator(".attributes")).toContainText("navy");
  await expect(page.locator("article.best")).toContainText(name);
  // What was added is remembered while other pages are looked at, and can be taken back.
  await page.goBack();
  await undo(page, id);
  await page.goto(`/product/${id}`);
  await expect(page.getByRole("heading", { name: "This product is not here" })).toBeVisible();
});

test("a broken photograph fails alone, with its reason; without it the rest is complete", async ({
  page,
}) => {
  await page.goto("/ingest");
  const good = await painted(page, "#a33");
  const id = `mixed${run}`;
  await choose(page, {
    [`${id}_1.jpg`]: good,
    [`${id}_2.jpg`]: good.subarray(0, good.length / 2),
    [`junk${run}.jpg`]: Buffer.from("this is no photograph"),
    "notes.txt": Buffer.from("not even by its name"),
  });
  await expect(page.locator(".dropzone-ignored")).toHaveText(
    "1 file was left out: it is not a photograph, or cannot be read.",
  );
  await page.getByRole("button", { name: "Add 2 products" }).click();
  const card = draft(page, id);
  await expect(card.locator(".draft-at")).toHaveText("Added, but not every photograph");
  await expect(card).toContainText(`${id}_2.jpg: The photograph is cut off`);
  const junk = draft(page, `junk${run}`);
  await expect(junk.locator(".draft-at")).toHaveText("Not added");
  await expect(junk).toContainText(
    "The file is no photograph, or it is damaged. (while opening the photograph)",
  );
  await expect(page.locator(".send-bar")).toContainText("2 with failures");

  // Trying again is offered; the same bytes fail the same way, and nothing else is sent.
  await page.getByRole("button", { name: "Retry what failed" }).click();
  await expect(junk.locator(".draft-at")).toHaveText("Not added");
  await expect(card.locator(".draft-at")).toHaveText("Added, but not every photograph");
  await card.getByRole("button", { name: `Remove the photograph ${id}_2.jpg` }).click();
  await expect(card.locator(".draft-at")).toHaveText("Added");
  await undo(page, id);
});

test("what is there already is told as unchanged", async ({ page }) => {
  await page.goto("/ingest");
  const id = `twice${run}`;
  const file = await painted(page, "#3a3");
  await choose(page, { [`${id}.jpg`]: file });
  await page.getByRole("button", { name: "Add 1 product" }).click();
  await expect(draft(page, id).locator(".draft-at")).toHaveText("Added");
  await choose(page, { [`${id}.jpg`]: file });
  const again = page.locator(".draft").nth(1);
  await again.getByLabel("Identifier").fill(id);
  await expect(again).toContainText("this one will replace it");
  await page.getByRole("button", { name: "Add 1 product" }).click();
  await expect(again.locator(".draft-at")).toHaveText("Was there already, unchanged");
  await expect(page.locator(".send-bar")).toContainText("1 added, 1 unchanged");
  await again.getByRole("button", { name: /off the list$/ }).click();
  await undo(page, id);
});

test("a product added later is missing on the map until that is drawn anew", async ({ page }) => {
  await page.goto("/map");
  const draw = page.getByRole("button", { name: "Draw the map" });
  const map = page.getByRole("application");
  await expect(draw.or(map)).toBeVisible();
  if (await draw.isVisible()) await draw.click();
  await expect(map).toBeVisible({ timeout: 60_000 });

  const id = `later${run}`;
  await page.getByRole("link", { name: "Add products" }).click();
  await choose(page, { [`${id}.jpg`]: await painted(page, "#08a") });
  await page.getByRole("button", { name: "Add 1 product" }).click();
  await expect(draft(page, id).locator(".draft-at")).toHaveText("Added");

  await page.getByRole("link", { name: "Map", exact: true }).click();
  const missing = page.locator(".map-facts").getByText(/newer products? (is|are) not on it yet/);
  await expect(missing).toBeVisible();
  await page.getByRole("button", { name: "Draw it anew" }).click();
  await expect(missing).toHaveCount(0, { timeout: 60_000 });
  await expect(map).toBeVisible();
  await page.getByRole("link", { name: "Add products" }).click();
  await undo(page, id);
});

test("files can be dropped anywhere on the page", async ({ page }) => {
  await page.goto("/ingest");
  await expect(page.locator(".dropzone")).toBeVisible();
  const bytes = [...(await painted(page, "#838"))];
  const transfer = await page.evaluateHandle((data) => {
    const made = new DataTransfer();
    made.items.add(new File([Uint8Array.from(data)], "dropped_front.jpg", { type: "image/jpeg" }));
    made.items.add(new File([Uint8Array.from(data)], "dropped_back.jpg", { type: "image/jpeg" }));
    return made;
  }, bytes);
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await expect(page.locator(".dropzone-what")).toHaveText("Let go to add them");
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  await expect(draft(page, "dropped").locator(".photo-tile")).toHaveCount(2);
});

test("folders become products", async ({ page }) => {
  await page.goto("/ingest");
  const file = [...(await painted(page, "#555"))];
  // A folder chooser gives files with their paths; what it gives cannot be made by a test in any other way.
  await page.locator('[data-choose="folder"]').evaluate((input: HTMLInputElement, data) => {
    const transfer = new DataTransfer();
    for (const path of [
      "shop/red-skirt/1.jpg",
      "shop/red-skirt/2.jpg",
      "shop/blue-coat/a.jpg",
      "shop/.DS_Store",
    ]) {
      const made = new File([Uint8Array.from(data)], path.split("/").at(-1) ?? "", { type: "image/jpeg" });
      Object.defineProperty(made, "webkitRelativePath", { value: path });
      transfer.items.add(made);
    }
    Object.defineProperty(input, "files", { value: [...transfer.files], configurable: true });
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, file);
  await expect(page.locator(".draft")).toHaveCount(2);
  await expect(draft(page, "red-skirt").getByLabel("Name")).toHaveValue("Red skirt");
  await expect(draft(page, "red-skirt").locator(".photo-tile")).toHaveCount(2);
});

test("two products cannot have one identifier", async ({ page }) => {
  await page.goto("/ingest");
  const file = await painted(page, "#aa3");
  await choose(page, { "one.jpg": file, "two.jpg": file });
  await draft(page, "two").getByLabel("Identifier").fill("one");
  await expect(page.getByText("Another product of this list has the same identifier.").first()).toBeVisible();
  await expect(page.locator(".send-bar")).toContainText("2 products cannot be sent yet");
});
