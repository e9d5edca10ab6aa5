import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ServiceStatusSchema, ServingState } from "../../gen/lookalike/gateway/v1/search_pb";
import { knownName, overall, providerName, stateOf } from "./services";

const service = (state: ServingState, warmUpFraction?: number) =>
  create(ServiceStatusSchema, { name: "embedder", state, warmUpFraction });

const WORKS = service(ServingState.SERVING);
const WARMS = service(ServingState.NOT_SERVING, 0.4);
const GONE = service(ServingState.UNREACHABLE);

describe("the state of the services", () => {
  it("tells loading a model from being out of order", () => {
    expect([WORKS, WARMS, service(ServingState.NOT_SERVING), GONE].map(stateOf)).toEqual([
      "serving",
      "warming",
      "not_serving",
      "unreachable",
    ]);
  });

  it("is as good as the worst of them", () => {
    expect(overall([WORKS, WORKS])).toBe("well");
    expect(overall([WORKS, WARMS])).toBe("warming");
    expect(overall([WARMS, GONE])).toBe("trouble");
  });

  it("has words only for services that the page knows", () => {
    expect(knownName("indexer")).toBe("indexer");
    expect(knownName("reranker")).toBeUndefined();
  });

  it("names what a model runs on as people do", () => {
    expect(providerName("CPUExecutionProvider")).toBe("CPU");
    expect(providerName("Something else")).toBe("Something else");
  });
});
