import type { Atlas } from "./atlas";
import { drawDots, type Raster, radiusFor } from "./dots";
import { type Label, LINE_HEIGHT, placeLabels } from "./labels";
import type { Lookup } from "./lookup";
import { css, type Palette } from "./palette";
import { entry } from "./points";
import { placeTiles, type Tile } from "./tiles";
import { toMap, toScreen, type Viewport } from "./viewport";

/** What there is to draw besides the map itself. */
export interface Scene {
  readonly view: Viewport;
  /** Points that were searched for; empty: none was. */
  readonly found: ReadonlySet<number>;
  /** The point under the mouse, and the one that was chosen; −1: none. */
  readonly hovered: number;
  readonly chosen: number;
}

/** Colours of the page, as its style sheet has them now. */
export interface Ink {
  readonly text: string;
  readonly halo: string;
  readonly accent: string;
  readonly mat: string;
  readonly font: string;
}

/** Sharper than this nobody sees on a dot, and every frame would cost more. */
const SHARPEST = 2;
/** So many pixels of a crowded map are written in a frame at most; a finer raster shows no more of it. */
const MOST_PIXELS = 2_000_000;
const CROWDED = 20_000;
const FOUND_PX = 6;

/**
 * Draws the map on two canvases: dots below, written pixel by pixel, and above them what has
 * outlines: pictures, rings and words. Knows afterwards what lies where.
 */
export class Painter {
  tiles: readonly Tile[] = [];
  labels: readonly Label[] = [];
  private raster: (Raster & { readonly image: ImageData }) | undefined;
  private readonly visible: Uint32Array;
  private readonly below: CanvasRenderingContext2D;
  private readonly above: CanvasRenderingContext2D;

  constructor(
    private readonly atlas: Atlas,
    private readonly lookup: Lookup,
    private readonly dots: HTMLCanvasElement,
    private readonly overlay: HTMLCanvasElement,
    private palette: Palette,
    private ink: Ink,
  ) {
    this.below = contextOf(dots);
    this.above = contextOf(overlay);
    this.visible = new Uint32Array(atlas.points.ids.length);
  }

  /** Changes the colours: light to dark, say. */
  recolour(palette: Palette, ink: Ink): void {
    this.palette = palette;
    this.ink = ink;
  }

  draw(scene: Scene): void {
    const sharpness = Math.min(devicePixelRatio || 1, SHARPEST);
    const count = this.drawDots(scene, this.dotSharpness(scene.view, sharpness));
    const { above, overlay } = this;
    fitCanvas(overlay, scene.view, sharpness);
    above.setTransform(sharpness, 0, 0, sharpness, 0, 0);
    above.clearRect(0, 0, scene.view.widthPx, scene.view.heightPx);
    this.tiles = placeTiles(this.atlas.points, this.visible, count, scene.view);
    for (const tile of this.tiles) this.drawTile(tile, scene);
    for (const point of scene.found) this.drawFound(point, scene.view);
    for (const point of [scene.hovered, scene.chosen]) if (point >= 0) this.drawRing(point, scene.view);
    this.drawLabels(scene.view);
  }

  private dotSharpness({ widthPx, heightPx }: Viewport, sharpness: number): number {
    if (this.visible.length <= CROWDED) return sharpness;
    return Math.min(sharpness, Math.max(Math.sqrt(MOST_PIXELS / (widthPx * heightPx)), 1));
  }

  /** Draws all that is in view as dots and returns how many that are. */
  private drawDots({ view, found }: Scene, sharpness: number): number {
    const { atlas, dots } = this;
    fitCanvas(dots, view, sharpness);
    if (this.raster?.width !== dots.width || this.raster.height !== dots.height) {
      const image = this.below.createImageData(dots.width, dots.height);
      const pixels = new Uint32Array(image.data.buffer);
      this.raster = { image, pixels, width: dots.width, height: dots.height };
    }
    this.raster.pixels.fill(0);
    const corner = toMap(view, { x: 0, y: 0 });
    const opposite = toMap(view, { x: view.widthPx, y: view.heightPx });
    const region = { left: corner.x, top: corner.y, right: opposite.x, bottom: opposite.y };
    const count = atlas.grid.inside(region, this.visible);
    const placement = {
      scale: view.scalePx * sharpness,
      left: view.leftPx * sharpness,
      top: view.topPx * sharpness,
    };
    const radius = radiusFor(count, view.widthPx * view.heightPx) * sharpness;
    const { clusters, lonely } = this.palette;
    drawDots(this.raster, atlas.points, this.visible, count, placement, radius, clusters, lonely);
    this.below.putImageData(this.raster.image, 0, 0);
    // What was not searched for steps back.
    dots.style.opacity = found.size > 0 ? "0.25" : "1";
    return count;
  }

  private drawTile({ point, at, sidePx }: Tile, { found }: Scene): void {
    const picture = this.lookup.picture(this.atlas.points.ids[point] ?? "");
    if (!picture) return;
    const { above } = this;
    const frame = sidePx - 6;
    const scale = (frame - 6) / Math.max(picture.naturalWidth, picture.naturalHeight, 1);
    const [width, height] = [picture.naturalWidth * scale, picture.naturalHeight * scale];
    above.globalAlpha = found.size > 0 && !found.has(point) ? 0.25 : 1;
    above.beginPath();
    above.roundRect(at.x - width / 2 - 3, at.y - height / 2 - 3, width + 6, height + 6, 8);
    above.fillStyle = this.ink.mat;
    above.fill();
    above.strokeStyle = this.colourOf(point);
    above.lineWidth = 1.5;
    above.stroke();
    // As on the cards: the white ground of a shop's photograph becomes the mat's.
    above.globalCompositeOperation = "multiply";
    above.drawImage(picture, at.x - width / 2, at.y - height / 2, width, height);
    above.globalCompositeOperation = "source-over";
    above.globalAlpha = 1;
  }

  private drawFound(point: number, view: Viewport): void {
    if (this.tiles.some((tile) => tile.point === point)) {
      this.drawRing(point, view);
      return;
    }
    const at = this.placeOf(point, view);
    const { above, ink } = this;
    above.beginPath();
    above.arc(at.x, at.y, FOUND_PX, 0, 2 * Math.PI);
    above.fillStyle = this.colourOf(point);
    above.fill();
    above.strokeStyle = ink.text;
    above.lineWidth = 2;
    above.stroke();
  }

  private drawRing(point: number, view: Viewport): void {
    const { above, ink } = this;
    const tile = this.tiles.find((one) => one.point === point);
    const at = this.placeOf(point, view);
    above.beginPath();
    if (tile) above.roundRect(at.x - tile.sidePx / 2, at.y - tile.sidePx / 2, tile.sidePx, tile.sidePx, 10);
    else above.arc(at.x, at.y, FOUND_PX + 4, 0, 2 * Math.PI);
    above.strokeStyle = ink.halo;
    above.lineWidth = 5;
    above.stroke();
    above.strokeStyle = ink.accent;
    above.lineWidth = 2.5;
    above.stroke();
  }

  private drawLabels(view: Viewport): void {
    const { above, ink } = this;
    const font = (sizePx: number) => `600 ${sizePx.toFixed(1)}px ${ink.font}`;
    this.labels = placeLabels(this.atlas.clusters, view, (text, sizePx) => {
      above.font = font(sizePx);
      return above.measureText(text).width;
    });
    above.textAlign = "center";
    above.textBaseline = "middle";
    above.lineJoin = "round";
    above.strokeStyle = ink.halo;
    above.fillStyle = ink.text;
    for (const { lines, sizePx, at, widthPx, heightPx } of this.labels) {
      // On pictures a halo would not do: words stand on a sign there.
      if (this.tiles.length > 0) {
        above.globalAlpha = 0.88;
        above.fillStyle = ink.halo;
        above.beginPath();
        above.roundRect(at.x - widthPx / 2 - 8, at.y - heightPx / 2 - 4, widthPx + 16, heightPx + 8, 8);
        above.fill();
        above.globalAlpha = 1;
        above.fillStyle = ink.text;
      }
      above.font = font(sizePx);
      above.lineWidth = sizePx / 3;
      const placed = lines.map((line, i) => ({
        line,
        y: at.y + (i - (lines.length - 1) / 2) * LINE_HEIGHT * sizePx,
      }));
      // All halos first: that of one line would cover the letters of the other.
      for (const { line, y } of placed) above.strokeText(line, at.x, y);
      for (const { line, y } of placed) above.fillText(line, at.x, y);
    }
  }

  private placeOf(point: number, view: Viewport) {
    const { xs, ys } = this.atlas.points;
    return toScreen(view, { x: entry(xs, point), y: entry(ys, point) });
  }

  private colourOf(point: number): string {
    const cluster = entry(this.atlas.points.clusters, point);
    const { clusters, lonely } = this.palette;
    return css(cluster < 0 ? lonely : entry(clusters, cluster % clusters.length));
  }
}

/** Reads the page's colours where an element stands. */
export function inkOf(element: Element): Ink {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: token("--text"),
    halo: token("--bg"),
    accent: token("--accent"),
    mat: token("--mat"),
    font: style.fontFamily,
  };
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no canvas");
  return context;
}

function fitCanvas(canvas: HTMLCanvasElement, view: Viewport, sharpness: number): void {
  const width = Math.max(Math.round(view.widthPx * sharpness), 1);
  const height = Math.max(Math.round(view.heightPx * sharpness), 1);
  // Setting the size clears the canvas and takes new memory, even if it is the same.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}
