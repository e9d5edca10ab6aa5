import { type ServiceStatus, ServingState } from "../../gen/lookalike/gateway/v1/search_pb";

/** How a service is, as the page tells it. */
export type State = "serving" | "warming" | "not_serving" | "unreachable";

const NAMES = ["gateway", "segmenter", "embedder", "indexer"] as const;
export type ServiceName = (typeof NAMES)[number];

/** The name of a service that the page has words for. */
export function knownName(name: string): ServiceName | undefined {
  return NAMES.find((known) => known === name);
}

export function stateOf(service: Pick<ServiceStatus, "state" | "warmUpFraction">): State {
  if (service.state === ServingState.SERVING) return "serving";
  if (service.state === ServingState.UNREACHABLE) return "unreachable";
  return service.warmUpFraction === undefined ? "not_serving" : "warming";
}

/** How the whole is: trouble outweighs warming, warming outweighs serving. */
export function overall(services: readonly ServiceStatus[]): "well" | "warming" | "trouble" {
  const states = services.map(stateOf);
  if (states.some((state) => state === "unreachable" || state === "not_serving")) return "trouble";
  return states.includes("warming") ? "warming" : "well";
}

/** `CUDAExecutionProvider` as people call it: `CUDA`. */
export function providerName(provider: string): string {
  return provider.replace(/ExecutionProvider$/, "");
}
