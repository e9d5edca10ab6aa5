import { describe, expect, it } from "vitest";
import { keyed, wheelFactor } from "./gestures";
import { toMap, wholeMap, zoomAbout, zoomOf } from "./viewport";

const WHOLE = wholeMap(800, 800);
const NEAR = zoomAbout(WHOLE, 4, { x: 400, y: 400 });

describe("keys on the map", () => {
  it("move what is seen in their direction", () => {
    const middle = (key: string) => toMap(keyed(key, NEAR, WHOLE) ?? NEAR, { x: 400, y: 400 });
    expect(middle("ArrowRight").x).toBeGreaterThan(0.5);
    expect(middle("ArrowLeft").x).toBeLessThan(0.5);
    expect(middle("ArrowDown").y).toBeGreaterThan(0.5);
    expect(middle("ArrowUp").y).toBeLessThan(0.5);
  });

  it("zoom in, out and back to the whole", () => {
    expect(zoomOf(keyed("+", NEAR, WHOLE) ?? NEAR)).toBeCloseTo(6);
    expect(zoomOf(keyed("-", NEAR, WHOLE) ?? NEAR)).toBeCloseTo(4 / 1.5);
    expect(keyed("0", NEAR, WHOLE)).toBe(WHOLE);
  });

  it("mean nothing else", () => {
    expect(keyed("Tab", NEAR, WHOLE)).toBeUndefined();
    expect(keyed("a", NEAR, WHOLE)).toBeUndefined();
  });
});

describe("the wheel", () => {
  it("zooms in upwards and out downwards by the same measure", () => {
    const up = wheelFactor({ deltaY: -100, deltaMode: 0, ctrlKey: false });
    const down = wheelFactor({ deltaY: 100, deltaMode: 0, ctrlKey: false });
    expect(up).toBeGreaterThan(1);
    expect(up * down).toBeCloseTo(1);
  });

  it("that counts in lines zooms as one that counts in pixels", () => {
    const lines = wheelFactor({ deltaY: 3, deltaMode: 1, ctrlKey: false });
    expect(lines).toBe(wheelFactor({ deltaY: 48, deltaMode: 0, ctrlKey: false }));
  });

  it("of a trackpad's pinch zooms faster", () => {
    const pinched = wheelFactor({ deltaY: -10, deltaMode: 0, ctrlKey: true });
    expect(pinched).toBeGreaterThan(wheelFactor({ deltaY: -10, deltaMode: 0, ctrlKey: false }));
  });
});
