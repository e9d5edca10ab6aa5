import { type Point, panBy, pinch, type Viewport, zoomAbout } from "./viewport";

export interface Gestures {
  readonly view: () => Viewport;
  /** The view that a gesture leads to. */
  readonly onView: (view: Viewport) => void;
  /** Where the mouse is; null: elsewhere, or busy. */
  readonly onHover: (at: Point | null) => void;
  readonly onTap: (at: Point) => void;
}

/** A pointer that moved less than this meant to tap. */
const TAP_PX = 6;
const STEP_PX = 80;
const STEP_ZOOM = 1.5;
const LINE_PX = 16;

/** Where a key leads; undefined: nowhere, it means something else. */
export function keyed(key: string, view: Viewport, whole: Viewport): Viewport | undefined {
  const middle = { x: view.widthPx / 2, y: view.heightPx / 2 };
  switch (key) {
    case "ArrowLeft":
      return panBy(view, STEP_PX, 0);
    case "ArrowRight":
      return panBy(view, -STEP_PX, 0);
    case "ArrowUp":
      return panBy(view, 0, STEP_PX);
    case "ArrowDown":
      return panBy(view, 0, -STEP_PX);
    case "+":
    case "=":
      return zoomAbout(view, STEP_ZOOM, middle);
    case "-":
    case "_":
      return zoomAbout(view, 1 / STEP_ZOOM, middle);
    case "0":
    case "Home":
      return whole;
    default:
      return undefined;
  }
}

/** How much a turn of the wheel zooms. Trackpads tell a pinch as a wheel with the control key. */
export function wheelFactor(event: Pick<WheelEvent, "deltaY" | "deltaMode" | "ctrlKey">): number {
  const movedPx = event.deltaY * (event.deltaMode === 0 ? 1 : LINE_PX);
  return Math.exp(-movedPx * (event.ctrlKey ? 0.01 : 0.002));
}

/** Listens to mouse, fingers and wheel on an element until the signal ends. */
export function listen(element: HTMLElement, gestures: Gestures, signal: AbortSignal): void {
  const down = new Map<number, Point>();
  let travelledPx = 0;
  let several = false;
  const placeOf = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    hear: (event: HTMLElementEventMap[K]) => void,
    passive = true,
  ): void => element.addEventListener(type, hear, { signal, passive });

  on("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (down.size === 0) {
      travelledPx = 0;
      several = false;
    }
    down.set(event.pointerId, placeOf(event));
    several ||= down.size > 1;
    element.setPointerCapture(event.pointerId);
  });
  on("pointermove", (event) => {
    const to = placeOf(event);
    const from = down.get(event.pointerId);
    if (!from) {
      if (event.pointerType === "mouse") gestures.onHover(to);
      return;
    }
    const before = [...down.values()];
    down.set(event.pointerId, to);
    const after = [...down.values()];
    travelledPx += Math.hypot(to.x - from.x, to.y - from.y);
    const [p, q] = before;
    const [r, s] = after;
    if (p && q && r && s) gestures.onView(pinch(gestures.view(), [p, q], [r, s]));
    else if (travelledPx >= TAP_PX) {
      gestures.onHover(null);
      gestures.onView(panBy(gestures.view(), to.x - from.x, to.y - from.y));
    }
  });
  const release = (event: PointerEvent, counts: boolean): void => {
    if (!down.delete(event.pointerId)) return;
    if (counts && down.size === 0 && !several && travelledPx < TAP_PX) gestures.onTap(placeOf(event));
  };
  on("pointerup", (event) => release(event, true));
  on("pointercancel", (event) => release(event, false));
  on("pointerleave", () => gestures.onHover(null));
  on("dblclick", (event) => gestures.onView(zoomAbout(gestures.view(), 2, placeOf(event))));
  on(
    "wheel",
    (event) => {
      // Else the page scrolls, or the browser zooms, along with the map.
      event.preventDefault();
      gestures.onView(zoomAbout(gestures.view(), wheelFactor(event), placeOf(event)));
    },
    false,
  );
}
