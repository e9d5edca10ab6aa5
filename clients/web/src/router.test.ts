import { expect, test } from "vitest";
import { parseRoute, productUrl } from "./router";

test("the places of the page are told by their paths", () => {
  expect(parseRoute("/?q=blue").view).toBe("search");
  expect(parseRoute("/map").view).toBe("map");
  expect(parseRoute("/status/").view).toBe("status");
  expect(parseRoute("/nowhere").view).toBe("unknown");
});

test("an identifier with any characters survives the address", () => {
  for (const id of ["sku-17", "luma:MH01:Black", "a/b c?d#e%", "ñandú"]) {
    expect(parseRoute(productUrl(id))).toMatchObject({ view: "product", productId: id });
  }
});

test("an address that cannot be decoded is unknown, not an error", () => {
  expect(parseRoute("/product/%E0%A4%A").view).toBe("unknown");
});

test("an address with two slashes is a path, not another site", () => {
  expect(parseRoute("//elsewhere/map").view).toBe("unknown");
  expect(parseRoute("//").view).toBe("search");
});
