import { describe, expect, it } from "vitest";
import { group, identifierFor, spoken } from "./grouping";

/** Groups as lists of paths, by their names. */
function grouped(...paths: string[]): Record<string, string[]> {
  return Object.fromEntries(
    group(paths).map(({ name, members }) => [name, members.map((i) => paths[i] ?? "")]),
  );
}

describe("dropped files become products", () => {
  it("with a folder for each product", () => {
    expect(grouped("shop/wrap-skirt/b.jpg", "shop/wrap-skirt/a.jpg", "shop/shirt/1.png")).toEqual({
      Shirt: ["shop/shirt/1.png"],
      "Wrap skirt": ["shop/wrap-skirt/a.jpg", "shop/wrap-skirt/b.jpg"],
    });
  });

  it("with loose files by name, up to the view at its end", () => {
    expect(
      grouped("skirt_2.jpg", "skirt_1.jpg", "coat (3).png", "coat.png", "polo-back.webp", "polo-front.webp"),
    ).toEqual({
      Coat: ["coat.png", "coat (3).png"],
      Polo: ["polo-front.webp", "polo-back.webp"],
      Skirt: ["skirt_1.jpg", "skirt_2.jpg"],
    });
  });

  it("but photographs with a camera's numbers stay apart", () => {
    expect(Object.keys(grouped("IMG_4711.jpg", "IMG_4712.jpg"))).toEqual(["IMG 4711", "IMG 4712"]);
  });

  it("and a name that is nothing but a view stays a name", () => {
    expect(grouped("_1.jpg", "front.jpg")).toEqual({ "1": ["_1.jpg"], Front: ["front.jpg"] });
  });

  it("with views in the order of their numbers, not of their letters", () => {
    expect(grouped("hat_10.jpg", "hat_9.jpg", "hat_2.jpg")).toEqual({
      Hat: ["hat_2.jpg", "hat_9.jpg", "hat_10.jpg"],
    });
  });

  it("and a folder too full for one product is a heap of loose files", () => {
    const heap = Array.from({ length: 20 }, (_, i) => [`all/dress${i}_1.jpg`, `all/dress${i}_2.jpg`]).flat();
    const groups = group(heap);
    expect(groups).toHaveLength(20);
    expect(groups.every((one) => one.members.length === 2)).toBe(true);
  });

  it("where equal names in two folders are two products", () => {
    expect(group(["a/red/1.jpg", "b/red/1.jpg"]).map((one) => one.key)).toEqual(["a/red", "b/red"]);
  });

  it("where a folder is not what is loose under its name", () => {
    expect(new Set(group(["skirt_1.jpg", "skirt/1.jpg"]).map((one) => one.key)).size).toBe(2);
  });
});

describe("identifiers", () => {
  it("are made of the name and never twice the same", () => {
    expect(identifierFor("Blue wrap skirt!", new Set())).toBe("blue-wrap-skirt");
    expect(identifierFor("Camisón niña", new Set(["camisón-niña", "camisón-niña-2"]))).toBe("camisón-niña-3");
    expect(identifierFor("***", new Set())).toBe("product");
  });

  it("come with a name as people write it", () => {
    expect(spoken("blue-wrap__skirt")).toBe("Blue wrap skirt");
  });
});
