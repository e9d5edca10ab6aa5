/** What can be known to be wrong with a file before it travels. */
export type PhotoProblem = "empty" | "too_large";

/** What the gateway takes of one photograph. */
export const LARGEST_PHOTOGRAPH_BYTES = 32 * 1024 * 1024;
/** The gateway's message limit is 64 MiB; names and attributes need some of it. */
export const LARGEST_PRODUCT_BYTES = 60 * 1024 * 1024;

/** Formats that the gateway decodes; see `lookalike.type.v1.Image`. */
const PHOTOGRAPH = /\.(?:jpe?g|jfif|png|gif|webp|tiff?|avif|hei[cf]|ico|ppm|sgi|mpo)$/iu;

/** For `<input type=file>`; endings too, as some systems know no type for HEIC and AVIF. */
export const ACCEPTED = "image/*,.heic,.heif,.avif,.tif,.tiff,.ppm,.sgi,.mpo";

/** Whether a path looks like a photograph; what systems leave in folders does not. */
export function isPhotograph(path: string): boolean {
  const hidden = path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
  return !hidden && PHOTOGRAPH.test(path);
}

/** What is wrong with a file of this size; the gateway looks at what is in it. */
export function problemOf(sizeBytes: number): PhotoProblem | undefined {
  if (sizeBytes === 0) return "empty";
  return sizeBytes > LARGEST_PHOTOGRAPH_BYTES ? "too_large" : undefined;
}
