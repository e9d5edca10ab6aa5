import { describe, expect, it } from "vitest";
import { labelAt, type Neighbourhood, placeLabels } from "./labels";
import { show, wholeMap, zoomAbout } from "./viewport";

const VIEW = wholeMap(800, 800);
const [LARGEST, SMALLEST] = [neighbourhood(0), neighbourhood(63)];
const measure = (text: string, sizePx: number) => text.length * sizePx * 0.5;

/** A field of neighbourhoods, eight by eight. */
const FIELD = Array.from({ length: 64 }, (_, i) => neighbourhood(i));

function neighbourhood(i: number): Neighbourhood {
  return {
    words: [`word ${i}`, "second", "third"],
    x: (0.5 + (i % 8)) / 8,
    y: (0.5 + Math.floor(i / 8)) / 8,
    radius: 0.03,
    count: 1000 - 10 * i,
  };
}

describe("labels", () => {
  it("never overlap and are never cut off", () => {
    for (const zoom of [1, 1.7, 4, 6]) {
      const view = zoomAbout(VIEW, zoom, { x: 300, y: 410 });
      const labels = placeLabels(FIELD, view, measure);
      expect(labels.length).toBeGreaterThan(0);
      for (const p of labels) {
        expect(p.at.x - p.widthPx / 2).toBeGreaterThanOrEqual(0);
        expect(p.at.x + p.widthPx / 2).toBeLessThanOrEqual(800);
        for (const q of labels) {
          if (p === q) continue;
          const apart =
            Math.abs(p.at.x - q.at.x) > (p.widthPx + q.widthPx) / 2 ||
            Math.abs(p.at.y - q.at.y) > (p.heightPx + q.heightPx) / 2;
          expect(apart).toBe(true);
        }
      }
    }
  });

  it("name the largest first, in larger letters", () => {
    const crowd = FIELD.map((one) => ({ ...one, x: 0.5, y: 0.5 }));
    const labels = placeLabels(crowd, VIEW, measure);
    expect(labels.map((label) => label.cluster)).toEqual([0]);
    const [large, small] = placeLabels([SMALLEST, LARGEST], VIEW, measure);
    expect(large?.sizePx).toBeGreaterThan(small?.sizePx ?? 0);
  });

  it("come with zoom, and say more with zoom", () => {
    const tiny = { ...neighbourhood(9), radius: 0.005 };
    expect(placeLabels([tiny], VIEW, measure)).toEqual([]);
    const near = placeLabels([tiny], show(VIEW, tiny, 0.12), measure);
    expect(near.map((label) => label.lines)).toEqual([["word 9"]]);
    const nearer = placeLabels([tiny], show(VIEW, tiny, 0.005), measure);
    expect(nearer.map((label) => label.lines)).toEqual([["word 9 · second · third"]]);
  });

  it("say a second word below the first where there is no room beside it", () => {
    const [wide] = placeLabels([{ ...LARGEST, x: 0.5 }], VIEW, measure);
    expect(wide?.lines).toEqual(["word 0 · second"]);
    const neighbours = [LARGEST, { ...LARGEST, x: LARGEST.x + 0.13 }];
    const narrow = placeLabels(neighbours, VIEW, measure);
    expect(narrow.map((label) => label.lines)).toContainEqual(["word 0", "second"]);
  });

  it("are found under the pointer", () => {
    const labels = placeLabels([LARGEST], VIEW, measure);
    expect(labels).toHaveLength(1);
    for (const label of labels) expect(labelAt(labels, label.at)).toBe(label);
    expect(labelAt(labels, { x: 700, y: 700 })).toBeUndefined();
  });

  it("leave out neighbourhoods without words", () => {
    expect(placeLabels([{ ...LARGEST, words: [] }], VIEW, measure)).toEqual([]);
  });
});
