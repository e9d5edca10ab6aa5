import { localError } from "../api/errors";

/** What the server takes, told before anything is read. */
const MOST_BYTES = 32 * 1024 * 1024;
/** The longest side that is sent: the networks look at fewer pixels than that. */
const LONGEST_PX = 2048;
const JPEG_QUALITY = 0.9;

/** A photograph made ready to search with. */
export interface Prepared {
  blob: Blob;
  widthPx: number;
  heightPx: number;
}

/**
 * Checks a file and makes it small: upright, at most LONGEST_PX, a JPEG without what the camera wrote into
 * it (where it was taken, among others).
 *
 * Throws an AppError: IMAGE_EMPTY, IMAGE_TOO_LARGE, IMAGE_UNSUPPORTED_FORMAT, IMAGE_UNDECODABLE.
 */
export async function prepare(file: Blob): Promise<Prepared> {
  if (file.size === 0) throw localError("IMAGE_EMPTY");
  if (file.size > MOST_BYTES) throw localError("IMAGE_TOO_LARGE");
  if (file.type !== "" && !file.type.startsWith("image/")) throw localError("IMAGE_UNSUPPORTED_FORMAT");
  // A drawing has no pixels of its own, and may hold script.
  if (file.type === "image/svg+xml") throw localError("IMAGE_UNSUPPORTED_FORMAT");
  const bitmap = await decoded(file);
  try {
    const { widthPx, heightPx } = fitted(bitmap.width, bitmap.height, LONGEST_PX);
    const canvas = document.createElement("canvas");
    canvas.width = widthPx;
    canvas.height = heightPx;
    const context = canvas.getContext("2d");
    if (!context) throw localError("IMAGE_UNDECODABLE");
    context.imageSmoothingQuality = "high";
    // As the server flattens transparency.
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, widthPx, heightPx);
    context.drawImage(bitmap, 0, 0, widthPx, heightPx);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
    if (!blob) throw localError("IMAGE_UNDECODABLE");
    return { blob, widthPx, heightPx };
  } finally {
    bitmap.close();
  }
}

/** A size reduced to a longest side; never enlarged, never less than a pixel. */
export function fitted(
  widthPx: number,
  heightPx: number,
  longestPx: number,
): { widthPx: number; heightPx: number } {
  const scale = Math.min(1, longestPx / Math.max(widthPx, heightPx));
  return {
    widthPx: Math.max(1, Math.round(widthPx * scale)),
    heightPx: Math.max(1, Math.round(heightPx * scale)),
  };
}

async function decoded(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw localError(file.type === "" ? "IMAGE_UNDECODABLE" : undecodable(file.type));
  }
}

/** A format this browser cannot show is not the same as a broken file. */
function undecodable(type: string): string {
  return /^image\/(jpeg|png|webp|gif)$/.test(type) ? "IMAGE_UNDECODABLE" : "IMAGE_UNSUPPORTED_FORMAT";
}
