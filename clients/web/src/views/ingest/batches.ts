/** Few enough that breaking off takes effect soon, enough that the models work on full batches. */
const MOST_PRODUCTS = 24;
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * Cuts a list into batches, in order, each below the limits; what is larger than a whole batch
 * travels alone. The gateway takes at most 500 products and 64 MiB at a time.
 */
export function batches<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const made: T[][] = [];
  let open: T[] = [];
  let openBytes = 0;
  for (const item of items) {
    const bytes = bytesOf(item);
    if (open.length > 0 && (open.length === MOST_PRODUCTS || openBytes + bytes > MOST_BYTES)) {
      made.push(open);
      open = [];
      openBytes = 0;
    }
    open.push(item);
    openBytes += bytes;
  }
  if (open.length > 0) made.push(open);
  return made;
}
