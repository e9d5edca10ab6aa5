import { isPhotograph } from "./checks";

/** A file with its path inside what was dropped or chosen. */
export interface Found {
  readonly path: string;
  readonly file: File;
}

export interface Reading {
  readonly photographs: readonly Found[];
  /** Files that are no photographs, or cannot be read: told, not sent. */
  readonly ignored: number;
}

/**
 * Reads what was dropped, folders to their last file.
 *
 * Must be called within the drop event: the browser empties the transfer after it.
 */
export async function readDrop(transfer: DataTransfer): Promise<Reading> {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry());
  const loose = [...transfer.files];
  if (entries.every((entry) => entry === null)) {
    // Pasted or synthetic transfers have files without a place in a file system.
    return sorted(loose.map((file) => ({ path: file.name, file })));
  }
  const found: Found[] = [];
  let unreadable = 0;
  for (const entry of entries) if (entry) unreadable += await walk(entry, "", found);
  const { photographs, ignored } = sorted(found);
  return { photographs, ignored: ignored + unreadable };
}

/** Reads what a file or folder chooser gave. */
export function readChosen(files: Iterable<File>): Reading {
  return sorted([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/** Collects the files of an entry and returns how many of it could not be read: one hurts no other. */
async function walk(entry: FileSystemEntry, parent: string, found: Found[]): Promise<number> {
  const path = parent === "" ? entry.name : `${parent}/${entry.name}`;
  let unreadable = 0;
  try {
    if (isFile(entry)) {
      found.push({ path, file: await new Promise<File>((resolve, reject) => entry.file(resolve, reject)) });
    } else if (isFolder(entry)) {
      const reader = entry.createReader();
      // A reader gives at most a hundred entries at a time, and none at the end.
      for (;;) {
        const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
          reader.readEntries(resolve, reject),
        );
        if (some.length === 0) break;
        for (const child of some) unreadable += await walk(child, path, found);
      }
    }
  } catch {
    unreadable += 1;
  }
  return unreadable;
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function sorted(found: readonly Found[]): Reading {
  const photographs = found.filter(({ path }) => isPhotograph(path));
  return { photographs, ignored: found.length - photographs.length };
}
