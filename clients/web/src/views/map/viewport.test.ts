import { describe, expect, it } from "vitest";
import {
  between,
  panBy,
  pinch,
  resized,
  show,
  toMap,
  toScreen,
  wholeMap,
  zoomAbout,
  zoomOf,
} from "./viewport";

const WHOLE = wholeMap(1000, 600);

describe("the viewport", () => {
  it("shows the whole map in the middle at first", () => {
    expect(zoomOf(WHOLE)).toBe(1);
    expect(toScreen(WHOLE, { x: 0.5, y: 0.5 })).toEqual({ x: 500, y: 300 });
  });

  it("turns places of the screen into places of the map and back", () => {
    const view = panBy(zoomAbout(WHOLE, 3, { x: 100, y: 500 }), 17, -9);
    const there = toScreen(view, { x: 0.3, y: 0.8 });
    expect(toMap(view, there).x).toBeCloseTo(0.3, 10);
    expect(toMap(view, there).y).toBeCloseTo(0.8, 10);
  });

  it("keeps what lies under the pointer when it zooms", () => {
    const about = { x: 420, y: 250 };
    const before = toMap(WHOLE, about);
    const after = toMap(zoomAbout(WHOLE, 7, about), about);
    expect(after.x).toBeCloseTo(before.x, 10);
    expect(after.y).toBeCloseTo(before.y, 10);
  });

  it("never zooms out beyond the whole map, nor in without end", () => {
    expect(zoomOf(zoomAbout(WHOLE, 0.01, { x: 0, y: 0 }))).toBe(1);
    expect(zoomOf(zoomAbout(WHOLE, 1e9, { x: 500, y: 300 }))).toBe(400);
  });

  it("never loses the map beside the screen", () => {
    const gone = panBy(WHOLE, 1e6, -1e6);
    const middle = toMap(gone, { x: 500, y: 300 });
    expect(middle.x).toBeCloseTo(0, 10);
    expect(middle.y).toBeCloseTo(1, 10);
  });

  it("follows two fingers that spread and wander", () => {
    const view = zoomAbout(WHOLE, 4, { x: 500, y: 300 });
    const touched = toMap(view, { x: 450, y: 300 });
    const after = pinch(
      view,
      [
        { x: 450, y: 300 },
        { x: 550, y: 300 },
      ],
      [
        { x: 430, y: 310 },
        { x: 630, y: 310 },
      ],
    );
    expect(after.scalePx).toBeCloseTo(view.scalePx * 2, 6);
    expect(toScreen(after, touched).x).toBeCloseTo(430, 6);
    expect(toScreen(after, touched).y).toBeCloseTo(310, 6);
  });

  it("keeps its middle when the window changes", () => {
    const view = panBy(zoomAbout(WHOLE, 5, { x: 200, y: 200 }), 30, 40);
    const before = toMap(view, { x: 500, y: 300 });
    const turned = resized(view, 400, 800);
    const after = toMap(turned, { x: 200, y: 400 });
    expect(after.x).toBeCloseTo(before.x, 10);
    expect(after.y).toBeCloseTo(before.y, 10);
    expect(zoomOf(turned)).toBeCloseTo(zoomOf(view), 10);
  });

  it("shows a neighbourhood as large as it fits", () => {
    const view = show(WHOLE, { x: 0.25, y: 0.7 }, 0.05);
    expect(toScreen(view, { x: 0.25, y: 0.7 })).toEqual({ x: 500, y: 300 });
    expect(toScreen(view, { x: 0.25, y: 0.75 }).y).toBeCloseTo(300 + (600 - 48) / 2, 6);
  });

  it("travels from one view to another and arrives", () => {
    const goal = show(WHOLE, { x: 0.25, y: 0.7 }, 0.05);
    const close = (p: object, q: object) => {
      for (const [key, value] of Object.entries(p)) expect(q).toHaveProperty(key, expect.closeTo(value, 6));
    };
    close(between(WHOLE, goal, 0), WHOLE);
    close(between(WHOLE, goal, 1), goal);
    const half = between(WHOLE, goal, 0.5);
    expect(half.scalePx).toBeCloseTo(Math.sqrt(WHOLE.scalePx * goal.scalePx), 6);
    const aside = panBy(goal, 100, 0);
    close(between(goal, aside, 0.5), panBy(goal, 50, 0));
  });
});
