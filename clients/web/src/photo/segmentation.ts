import { search } from "../api/clients";
import { SegmentOutput } from "../gen/lookalike/gateway/v1/search_pb";
import { Garment } from "../gen/lookalike/type/v1/garment_pb";
import { ImageEncoding } from "../gen/lookalike/type/v1/image_pb";
import { GARMENTS, type GarmentName } from "../search/query";
import { GARMENT } from "../search/request";
import { type ClassMask, outlinesOf, pathOf } from "./contours";
import { fitted } from "./intake";
import type { Photo } from "./store";

/** A garment that was found in a photograph. */
export interface FoundGarment {
  name: GarmentName;
  /** The network's mean probability, 0 to 1. */
  confidence: number;
  /** Its outline, in pixels of the photograph. */
  path: string;
}

/** What was found in a photograph. */
export interface Segmentation {
  widthPx: number;
  heightPx: number;
  /** Largest first; empty if no clothing was found, or only clothing of no particular kind. */
  garments: FoundGarment[];
  /** The outline of all clothing together; empty if none was found. */
  path: string;
}

/** What a mask's pixels of each garment hold: see `SEGMENT_OUTPUT_MASK`. */
const CLASS: Record<GarmentName, number> = { upper: 1, lower: 2, full: 3 };
/** Outlines are followed at this size: finer steps would not be seen. */
const MASK_PX = 512;
const SCREEN_PX = 1280;

/** Finds the garments of a photograph, with their outlines. */
export async function segment(photo: Photo, signal: AbortSignal): Promise<Segmentation> {
  const response = await search.segmentImage(
    { image: await wireImage(photo), output: SegmentOutput.MASK },
    { signal },
  );
  const { widthPx, heightPx } = response;
  const mask = await readMask(encodedOf(response.picture?.source));
  const draw = (...classes: number[]): string =>
    pathOf(outlinesOf(mask, ...classes), widthPx / mask.widthPx, heightPx / mask.heightPx);
  const garments = response.garments.flatMap(({ garment, confidence }) => {
    const name = GARMENTS.find((one) => GARMENT[one] === garment);
    if (!name) return [];
    return [{ name, confidence, path: draw(CLASS[name]) }];
  });
  return response.wholeImageFallback
    ? { widthPx, heightPx, garments: [], path: "" }
    : { widthPx, heightPx, garments, path: draw(...Object.values(CLASS)) };
}

/** The photograph with everything but a garment (or all clothing) behind the green screen. */
export async function greenScreen(
  photo: Photo,
  garment: GarmentName | undefined,
  signal: AbortSignal,
): Promise<Blob> {
  const response = await search.segmentImage(
    {
      image: await wireImage(photo),
      output: SegmentOutput.COMPOSITE,
      garment: garment ? GARMENT[garment] : Garment.UNION,
      encoding: ImageEncoding.WEBP,
      maxSidePx: SCREEN_PX,
    },
    { signal },
  );
  return new Blob([encodedOf(response.picture?.source)], { type: "image/webp" });
}

async function wireImage(photo: Photo) {
  return { source: { case: "encoded" as const, value: new Uint8Array(await photo.blob.arrayBuffer()) } };
}

type Source = { case: string | undefined; value?: unknown };

function encodedOf(source: Source | undefined): Uint8Array<ArrayBuffer> {
  return source?.case === "encoded" && source.value instanceof Uint8Array
    ? new Uint8Array(source.value)
    : new Uint8Array();
}

/** Reads the PNG of classes at a size at which its outlines are followed. */
async function readMask(png: Uint8Array<ArrayBuffer>): Promise<ClassMask> {
  // The values are names, not light: nothing may convert or smooth them.
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const { widthPx, heightPx } = fitted(bitmap.width, bitmap.height, MASK_PX);
  const canvas = document.createElement("canvas");
  canvas.width = widthPx;
  canvas.height = heightPx;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, widthPx, heightPx);
  bitmap.close();
  const { data } = context.getImageData(0, 0, widthPx, heightPx);
  const classes = new Uint8Array(widthPx * heightPx);
  for (let index = 0; index < classes.length; index++) classes[index] = data[index * 4] ?? 0;
  return { classes, widthPx, heightPx };
}
