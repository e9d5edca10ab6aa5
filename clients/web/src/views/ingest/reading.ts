import { isPhotograph } from "./checks";

/** A file with its path inside what was dropped or chosen. */
export interface Found {
  readonly path: string;
  readonly file: File;
}

export interface Reading {
  readonly photographs: readonly Found[];
  /** Files that are no photographs: told, not sent. */
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
  for (const entry of entries) if (entry) await walk(entry, "", found);
  return sorted(found);
}

/** Reads what a file or folder chooser gave. */
export function readChosen(files: Iterable<File>): Reading {
  return sorted([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

async function walk(entry: FileSystemEntry, parent: string, found: Found[]): Promise<void> {
  const path = parent === "" ? entry.name : `${parent}/${entry.name}`;
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    found.push({ path, file });
  } else if (isFolder(entry)) {
    const reader = entry.createReader();
    // A reader gives at most a hundred entries at a time, and none at the end.
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject),
      );
      if (some.length === 0) break;
      for (const child of some) await walk(child, path, found);
    }
  }
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
