import type { Client } from "@connectrpc/connect";
import type { MapService } from "../../gen/lookalike/gateway/v1/map_pb";
import type { MapHeader } from "../../gen/lookalike/type/v1/map_pb";
import { Grid } from "./grid";
import type { Neighbourhood } from "./labels";
import { type Points, PointsBuilder } from "./points";

/** The whole catalogue as a picture, ready to be drawn. */
export interface Atlas {
  readonly id: string;
  readonly drawnMs: number;
  readonly method: string;
  /** Products of the index that are not on it. */
  readonly missing: number;
  readonly clusters: readonly Neighbourhood[];
  readonly points: Points;
  readonly grid: Grid;
  /** Where a product is among the points. */
  readonly places: ReadonlyMap<string, number>;
}

/** The map seen last: coming back to it costs its header only. */
let held: Atlas | undefined;

/**
 * Reads the map; its points only if they are not held already.
 *
 * @throws ConnectError NOT_FOUND (MAP_NOT_FOUND) if none was drawn.
 */
export async function readAtlas(
  client: Pick<Client<typeof MapService>, "getMap">,
  signal: AbortSignal,
): Promise<Atlas> {
  const builder = new PointsBuilder();
  let header: MapHeader | undefined;
  for await (const { message } of client.getMap({ knownMapId: held?.id ?? "" }, { signal })) {
    if (message.case === "header") header = message.value;
    else if (message.case === "points") builder.add(message.value);
  }
  if (!header) throw new Error("the map came without its header");
  held = held?.id === header.mapId ? withHeader(held, header) : made(header, builder.build());
  return held;
}

function made(header: MapHeader, points: Points): Atlas {
  const atlas = {
    points,
    grid: new Grid(points.xs, points.ys),
    places: new Map(points.ids.map((id, place) => [id, place])),
  };
  return withHeader(atlas, header);
}

/** What the header says may have changed although the points have not: products stored since. */
function withHeader(atlas: Pick<Atlas, "points" | "grid" | "places">, header: MapHeader): Atlas {
  return {
    ...atlas,
    id: header.mapId,
    drawnMs: Number(header.createTime?.seconds ?? 0n) * 1000,
    method: header.method,
    missing: Number(header.missingCount),
    clusters: header.clusters.map(({ words, x, y, radius, productCount }) => ({
      words,
      x,
      y,
      radius,
      count: Number(productCount),
    })),
  };
}
