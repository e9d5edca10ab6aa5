import { expect, test } from "vitest";
import { readDrop } from "./reading";

const file = (name: string) => ({
  name,
  isFile: true,
  file: (give: (file: File) => void) => give(new File(["x"], name)),
});
const lost = (name: string) => ({
  name,
  isFile: true,
  file: (_: unknown, fail: (error: Error) => void) => fail(new Error("gone")),
});
const folder = (name: string, ...children: unknown[]) => ({
  name,
  isDirectory: true,
  createReader: () => ({ readEntries: (give: (some: unknown[]) => void) => give(children.splice(0, 2)) }),
});
const dropped = (...entries: unknown[]) =>
  ({
    items: entries.map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry })),
    files: [],
  }) as unknown as DataTransfer;

test("folders are read to their last file, and what is no photograph is counted", async () => {
  const shop = folder("shop", file("1.jpg"), folder("skirt", file("a.png")), file("notes.txt"));
  const { photographs, ignored } = await readDrop(dropped(shop, file("hat.jpg")));
  expect(photographs.map(({ path }) => path)).toEqual(["shop/1.jpg", "shop/skirt/a.png", "hat.jpg"]);
  expect(ignored).toBe(1);
});

test("a file that cannot be read takes no other with it", async () => {
  const { photographs, ignored } = await readDrop(dropped(folder("coat", lost("1.jpg"), file("2.jpg"))));
  expect(photographs.map(({ path }) => path)).toEqual(["coat/2.jpg"]);
  expect(ignored).toBe(1);
});
