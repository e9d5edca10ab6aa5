import { signal } from "@preact/signals";
import type { Prepared } from "./intake";

/** A photograph as this browser keeps it. */
export interface Photo extends Prepared {
  /** Names it in links: the SHA-256 of what is sent. */
  sha256: string;
  addedAt: number;
}

const DATABASE = "lookalike";
const PHOTOS = "photos";
/** Photographs that are kept; the oldest make room. */
const MOST = 40;

// What was used since the page was opened, so that nothing is read twice; and all there is where the
// browser gives no storage.
const atHand = new Map<string, Photo>();
const urls = new Map<string, string>();

/** Changes whenever a photograph comes to hand. */
export const photosAtHand = signal(0);

/** Keeps a photograph in this browser. It never leaves it but to be searched for. */
export async function keep(prepared: Prepared): Promise<Photo> {
  const photo: Photo = { ...prepared, sha256: await digest(prepared.blob), addedAt: Date.now() };
  hold(photo);
  try {
    await withDatabase(async (database) => {
      await done(database.transaction(PHOTOS, "readwrite").objectStore(PHOTOS).put(photo));
      await forgetOldest(database);
    });
  } catch {
    // Private windows may refuse storage: the photograph then lasts as long as the page.
  }
  return photo;
}

/** A photograph that was kept; undefined if this browser does not have it. */
export async function find(sha256: string): Promise<Photo | undefined> {
  const held = atHand.get(sha256);
  if (held) return held;
  try {
    const photo: unknown = await withDatabase((database) =>
      done(database.transaction(PHOTOS).objectStore(PHOTOS).get(sha256)),
    );
    if (!isPhoto(photo)) return undefined;
    hold(photo);
    return photo;
  } catch {
    return undefined;
  }
}

/** An address under which the page can show a photograph that is at hand. */
export function urlOfPhoto(sha256: string): string | undefined {
  // Read so that whoever shows it follows.
  void photosAtHand.value;
  const photo = atHand.get(sha256);
  if (!photo) return undefined;
  let url = urls.get(sha256);
  if (!url) {
    url = URL.createObjectURL(photo.blob);
    urls.set(sha256, url);
  }
  return url;
}

/** True if a photograph can be used without asking the storage. */
export function isAtHand(sha256: string): boolean {
  return atHand.has(sha256);
}

function hold(photo: Photo): void {
  atHand.set(photo.sha256, photo);
  for (const sha256 of [...atHand.keys()].slice(0, -MOST)) {
    atHand.delete(sha256);
    const url = urls.get(sha256);
    if (url) URL.revokeObjectURL(url);
    urls.delete(sha256);
  }
  photosAtHand.value += 1;
}

async function digest(blob: Blob): Promise<string> {
  // Only pages of https and of this machine may hash; elsewhere any name that nobody else has will do.
  const bytes = globalThis.isSecureContext
    ? await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())
    : crypto.getRandomValues(new Uint8Array(32)).buffer;
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function withDatabase<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T> {
  const database = await open();
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(PHOTOS, { keyPath: "sha256" }).createIndex("addedAt", "addedAt");
  };
  return done(request);
}

async function forgetOldest(database: IDBDatabase): Promise<void> {
  const photos = database.transaction(PHOTOS, "readwrite").objectStore(PHOTOS);
  const surplus = (await done(photos.count())) - MOST;
  if (surplus <= 0) return;
  const oldest = await done(photos.index("addedAt").getAll(null, surplus));
  for (const photo of oldest) if (isPhoto(photo)) photos.delete(photo.sha256);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function isPhoto(value: unknown): value is Photo {
  return typeof value === "object" && value !== null && "sha256" in value && "blob" in value;
}
