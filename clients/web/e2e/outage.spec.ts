import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { cards, settled } from "./catalogue";

const folder = process.env.LOOKALIKE_RUN_DIR;
test.skip(!folder, "LOOKALIKE_RUN_DIR does not say where the stack's process ids are");

/** Kills a service outright; the supervisor starts it again. */
function kill(service: string): void {
  const pids: Record<string, number> = JSON.parse(
    readFileSync(join(folder ?? "", "run/processes.json"), "utf8"),
  );
  const pid = pids[service];
  if (!pid) throw new Error(`${service} does not run`);
  process.kill(pid, "SIGKILL");
}

test("a killed embedder is told as a sentence, and the search recovers by itself", async ({ page }) => {
  await page.goto("/?q=shirt");
  await settled(page);
  kill("embedder");
  // Other words: those of before are remembered on the way.
  await page.getByLabel("Search for clothes").fill(`hoodie number ${process.pid}`);
  const notice = page.locator(".notice");
  await expect(notice).toBeVisible();
  await expect(notice).toContainText(/does not answer|being loaded|restarting|started again/);
  await expect(notice.getByRole("button", { name: "Try again" })).toBeVisible();
  // Nobody presses it.
  await expect(notice).toHaveCount(0, { timeout: 60_000 });
  await expect(cards(page).first()).toBeVisible();
});

test("the status page tells which service is away, what that means, and when it is back", async ({
  page,
}) => {
  await page.goto("/");
  await settled(page);
  kill("embedder");
  // At once: it is back within seconds.
  await page.getByRole("link", { name: "Status" }).click();
  const card = page.locator(".service").filter({ has: page.getByRole("heading", { name: "Embedder" }) });
  await expect(card).toContainText(/Does not answer|Does not serve yet|Loading its model/);
  await expect(page.locator(".overall")).toContainText("Embedder");
  await expect(page.locator(".overall")).toHaveText("Everything works.", { timeout: 60_000 });
  await expect(card).toContainText("Works");
});

test("a product's page outlives the embedder: what is alike needs no model", async ({ page }) => {
  await page.goto("/?q=sneakers");
  await settled(page);
  const address = (await cards(page).first().getByRole("link").getAttribute("href")) ?? "";
  kill("embedder");
  await page.goto(address);
  await expect(page.locator("article.best")).toBeVisible();
  await expect(page.locator(".notice")).toHaveCount(0);
  await page.goto("/status");
  await expect(page.locator(".overall")).toHaveText("Everything works.", { timeout: 60_000 });
});
