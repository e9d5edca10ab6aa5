import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Garment } from "../../gen/lookalike/type/v1/garment_pb";
import { ProductSchema } from "../../gen/lookalike/type/v1/product_pb";
import {
  choiceOf,
  countFrom,
  garmentChoices,
  garmentFrom,
  otherColours,
  sameCut,
  searchFor,
  withChoice,
} from "./choices";

const params = (query: string) => new URLSearchParams(query);
const wearing = (...garments: Garment[]) =>
  create(ProductSchema, { images: garments.map((garment) => ({ garments: [{ garment }] })) });

describe("the choices on a product's page", () => {
  it("are read from the address, and nonsense is the default", () => {
    expect(["k=20", "k=0", "k=-3", "k=x", "", "k=99999"].map((q) => countFrom(params(q)))).toEqual([
      20, 5, 5, 5, 5, 999,
    ]);
    expect(garmentFrom(params("garment=lower"))).toBe("lower");
    expect(garmentFrom(params("garment=union"))).toBeUndefined();
  });

  it("are written to the address, defaults left out", () => {
    expect(withChoice(params("k=20&garment=upper"), "k", "5")).toBe("?garment=upper");
    expect(withChoice(params("k=20"), "garment", "full")).toBe("?k=20&garment=full");
    expect(withChoice(params("garment=full"), "garment", undefined)).toBe("");
  });

  it("offer garments only where photographs show several", () => {
    expect(garmentChoices(wearing(Garment.UPPER, Garment.UNION))).toEqual([]);
    expect(garmentChoices(wearing(Garment.LOWER, Garment.UPPER, Garment.UNION))).toEqual(["upper", "lower"]);
    expect(choiceOf(Garment.FULL)).toBe("full");
    expect(choiceOf(Garment.UNION)).toBeUndefined();
  });
});

describe("the same in another colour", () => {
  it("is of its category and of any colour but its own", () => {
    const product = create(ProductSchema, { attributes: { colour: ["red", "white"], category: "Skirts" } });
    const conditions = otherColours(product)?.conditions ?? [];
    expect(conditions.map(({ field, test }) => [field, test?.case])).toEqual([
      ["colour", "exists"],
      ["colour", "noneOf"],
      ["category", "anyOf"],
    ]);
    expect(conditions[1]?.test?.value).toEqual({
      values: [
        { kind: { case: "stringValue", value: "red" } },
        { kind: { case: "stringValue", value: "white" } },
      ],
    });
  });

  it("leaves out what only shares the category", () => {
    const match = (probability: number) => ({ probability });
    expect(sameCut([match(0.5), match(0.3), match(0.1)])).toEqual([match(0.5), match(0.3)]);
    expect(sameCut([match(0.05), match(0.03), match(0.01)])).toEqual([match(0.05), match(0.03)]);
    expect(sameCut([match(0.015), match(0.01)])).toEqual([]);
    expect(sameCut([{}, {}])).toEqual([]);
    expect(sameCut([])).toEqual([]);
  });

  it("cannot be known for a product without a colour", () => {
    expect(otherColours(create(ProductSchema, { attributes: { category: "Skirts" } }))).toBeUndefined();
  });
});

describe("attributes", () => {
  it("lead to a search by them", () => {
    expect(searchFor("colour", "light blue")).toBe("/?colour=light+blue");
    expect(searchFor("brand", "luma & co")).toBe("/?q=luma+%26+co");
  });
});
