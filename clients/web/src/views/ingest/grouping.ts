/** Turns the paths of dropped files into products. */

/** Photographs that belong together. */
export interface Group {
  /** What makes them one product: a folder, or a name without its view. Unique. */
  readonly key: string;
  /** For people. */
  readonly name: string;
  /** Positions in the list of paths, in the order they shall be shown. */
  readonly members: readonly number[];
}

/** What the gateway takes of one product. */
export const MOST_PHOTOGRAPHS = 32;

const VIEWS =
  "front|back|side|left|right|detail|close|top|model|flat|worn|frontal|delante|detras|lado|davant|darrere";
/** A view at the end of a name: `_1`, `-2`, ` (3)`, `_front`. Longer numbers are a camera's own. */
const VIEW_SUFFIX = new RegExp(`(?:[ _.-]*\\(\\d{1,3}\\)|[ _.-]+(?:\\d{1,2}|${VIEWS}))$`, "iu");
const FRONT = /(?:^|[ _.-])(?:front|frontal|delante|davant)$/iu;

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * A folder that holds photographs is a product. Loose files are one product if their names differ
 * only by a view at the end; so are the files of a folder too full to be one product.
 */
export function group(paths: readonly string[]): Group[] {
  const folders = new Map<string, number[]>();
  paths.forEach((path, i) => {
    const folder = folderOf(path);
    folders.set(folder, [...(folders.get(folder) ?? []), i]);
  });
  const groups: Group[] = [];
  for (const [folder, members] of folders) {
    if (folder !== "" && members.length <= MOST_PHOTOGRAPHS) {
      groups.push(made(folder, lastOf(folder), members, paths));
    } else {
      groups.push(...byView(folder, members, paths));
    }
  }
  return groups.sort((p, q) => byName.compare(p.key, q.key));
}

function byView(folder: string, members: readonly number[], paths: readonly string[]): Group[] {
  const stems = new Map<string, number[]>();
  for (const i of members) {
    const stem = withoutView(stemOf(paths[i] ?? ""));
    stems.set(stem, [...(stems.get(stem) ?? []), i]);
  }
  // No path has an empty part: a folder of the same name is another product.
  return [...stems].map(([stem, own]) => made(`${folder}//${stem}`, stem, own, paths));
}

function made(key: string, base: string, members: readonly number[], paths: readonly string[]): Group {
  const stem = (i: number) => stemOf(paths[i] ?? "");
  const sorted = [...members].sort(
    (p, q) => Number(FRONT.test(stem(q))) - Number(FRONT.test(stem(p))) || byName.compare(stem(p), stem(q)),
  );
  return { key, name: spoken(base), members: sorted };
}

/** `blue-wrap_skirt` as people write it: `Blue wrap skirt`. */
export function spoken(base: string): string {
  const words = base.replace(/[_\s-]+/gu, " ").trim();
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

/** An identifier made of a name: letters, digits, dots and dashes, and none of `taken`. */
export function identifierFor(name: string, taken: ReadonlySet<string>): string {
  const base =
    name
      .normalize("NFC")
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}.]+/gu, "-")
      .replace(/^[-.]+|[-.]+$/gu, "")
      .slice(0, 60) || "product";
  let candidate = base;
  for (let n = 2; taken.has(candidate); n++) candidate = `${base}-${n}`;
  return candidate;
}

function withoutView(stem: string): string {
  const rest = stem.replace(VIEW_SUFFIX, "");
  return rest.trim() === "" ? stem : rest;
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function stemOf(path: string): string {
  return lastOf(path).replace(/\.[^.]+$/u, "");
}
