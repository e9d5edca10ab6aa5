import { signal } from "@preact/signals";
import { shownTheme } from "../../theme";
import type { Atlas } from "./atlas";
import { keyed, listen } from "./gestures";
import { labelAt } from "./labels";
import type { Lookup } from "./lookup";
import { inkOf, Painter } from "./painter";
import { paletteOf } from "./palette";
import { tileAt } from "./tiles";
import {
  between,
  type Point,
  resized,
  show,
  toMap,
  toScreen,
  type Viewport,
  wholeMap,
  zoomAbout,
} from "./viewport";

/** A dot is hit from this far away: fingers are wider than dots. */
const REACH_PX = { mouse: 10, finger: 22 };
const TRAVEL_MS = 450;

/** A product that is pointed at: where it is on the screen. */
export interface Pointed {
  readonly point: number;
  readonly at: Point;
  /** How far what is drawn of it reaches to its sides. */
  readonly reachPx: number;
  /** Whether there is more room on its left than on its right. */
  readonly onRight: boolean;
}

/**
 * The map on its canvases: answers gestures, draws once a frame and only if something changed. Lives
 * as long as its canvases do.
 */
export class Stage {
  readonly hovered = signal<Pointed | null>(null);
  readonly chosen = signal(-1);
  private view: Viewport;
  private found: ReadonlySet<number> = new Set();
  private readonly painter: Painter;
  private readonly ending = new AbortController();
  private frame = 0;
  private journey = 0;

  constructor(
    private readonly atlas: Atlas,
    lookup: Lookup,
    dots: HTMLCanvasElement,
    private readonly overlay: HTMLCanvasElement,
  ) {
    this.view = wholeMap(overlay.clientWidth, overlay.clientHeight);
    this.painter = new Painter(atlas, lookup, dots, overlay, this.palette(), inkOf(overlay));
    const { signal: ended } = this.ending;
    listen(
      overlay,
      {
        view: () => this.view,
        onView: (view) => this.goTo(view),
        onHover: (at) => this.hover(at),
        onTap: (at) => this.tap(at),
      },
      ended,
    );
    overlay.addEventListener("keydown", (event) => this.key(event), { signal: ended });
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(overlay);
    const unfollow = shownTheme.subscribe(() => this.recolour());
    ended.addEventListener("abort", () => {
      sizes.disconnect();
      unfollow();
      cancelAnimationFrame(this.frame);
      cancelAnimationFrame(this.journey);
    });
  }

  end(): void {
    this.ending.abort();
  }

  /** Draws with the next frame. */
  redraw(): void {
    if (this.frame !== 0 || this.ending.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const { view, found } = this;
      const hovered = this.hovered.peek()?.point ?? -1;
      this.painter.draw({ view, found, hovered, chosen: this.chosen.peek() });
    });
  }

  /** Marks points; none: marks nothing. If all of them are elsewhere, the whole map is shown. */
  mark(found: ReadonlySet<number>): void {
    this.found = found;
    if (found.size > 0 && ![...found].some((point) => this.isSeen(point))) this.showAll();
    else this.redraw();
  }

  choose(point: number): void {
    this.chosen.value = point;
    this.redraw();
  }

  /** Travels to the whole map. */
  showAll(): void {
    this.travel(wholeMap(this.view.widthPx, this.view.heightPx));
  }

  /** Travels to a neighbourhood. */
  showCluster(cluster: number): void {
    const one = this.atlas.clusters[cluster];
    // Half of its products lie within the radius: twice as far out lies nearly everything.
    if (one) this.travel(show(this.view, one, Math.max(one.radius * 2, 0.01)));
  }

  zoom(factor: number): void {
    this.travel(zoomAbout(this.view, factor, { x: this.view.widthPx / 2, y: this.view.heightPx / 2 }));
  }

  private palette() {
    return paletteOf(this.atlas.clusters, shownTheme.peek() === "dark");
  }

  private recolour(): void {
    this.painter.recolour(this.palette(), inkOf(this.overlay));
    this.redraw();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.overlay;
    if (clientWidth === 0 || clientHeight === 0) return;
    // A journey would end in the size that it began with.
    this.goTo(resized(this.view, clientWidth, clientHeight));
  }

  private goTo(view: Viewport): void {
    cancelAnimationFrame(this.journey);
    // The map moves under the mouse.
    this.hovered.value = null;
    this.view = view;
    this.redraw();
  }

  private travel(to: Viewport): void {
    cancelAnimationFrame(this.journey);
    this.hovered.value = null;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.goTo(to);
      return;
    }
    const from = this.view;
    const startMs = performance.now();
    const step = (nowMs: number): void => {
      const share = Math.min((nowMs - startMs) / TRAVEL_MS, 1);
      this.view = between(from, to, Math.max(share, 0) ** 2 * (3 - 2 * Math.max(share, 0)));
      this.redraw();
      if (share < 1) this.journey = requestAnimationFrame(step);
    };
    this.journey = requestAnimationFrame(step);
  }

  private hover(at: Point | null): void {
    const point = at ? this.pointAt(at, REACH_PX.mouse) : -1;
    const named = at !== null && point < 0 && labelAt(this.painter.labels, at) !== undefined;
    this.overlay.style.cursor = point >= 0 || named ? "pointer" : "grab";
    if (point === (this.hovered.peek()?.point ?? -1)) return;
    this.hovered.value = point < 0 ? null : this.pointed(point);
    this.redraw();
  }

  private tap(at: Point): void {
    const label = labelAt(this.painter.labels, at);
    const point = this.pointAt(at, matchMedia("(hover: none)").matches ? REACH_PX.finger : REACH_PX.mouse);
    // A picture under the finger is meant; a dot under a word is not.
    if (label && !tileAt(this.painter.tiles, at)) this.showCluster(label.cluster);
    else this.choose(point);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.chosen.peek() >= 0) this.choose(-1);
    const next = keyed(event.key, this.view, wholeMap(this.view.widthPx, this.view.heightPx));
    if (!next) return;
    event.preventDefault();
    this.goTo(next);
  }

  private pointed(point: number): Pointed {
    const at = this.placeOf(point);
    const tile = this.painter.tiles.find((one) => one.point === point);
    return { point, at, reachPx: (tile?.sidePx ?? 8) / 2, onRight: at.x > this.view.widthPx / 2 };
  }

  private isSeen(point: number): boolean {
    const { x, y } = this.placeOf(point);
    return x >= 0 && x <= this.view.widthPx && y >= 0 && y <= this.view.heightPx;
  }

  private pointAt(at: Point, reachPx: number): number {
    const tile = tileAt(this.painter.tiles, at);
    if (tile) return tile.point;
    const { x, y } = toMap(this.view, at);
    return this.atlas.grid.nearest(x, y, reachPx / this.view.scalePx);
  }

  private placeOf(point: number): Point {
    const { xs, ys } = this.atlas.points;
    return toScreen(this.view, { x: xs[point] ?? 0, y: ys[point] ?? 0 });
  }
}
