import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { IngestService } from "../gen/lookalike/gateway/v1/ingest_pb";
import { MapService } from "../gen/lookalike/gateway/v1/map_pb";
import { SearchService } from "../gen/lookalike/gateway/v1/search_pb";

// Page and API are one origin: the edge's.
const transport = createGrpcWebTransport({ baseUrl: location.origin, useBinaryFormat: true });

export const search = createClient(SearchService, transport);
export const map = createClient(MapService, transport);
export const ingest = createClient(IngestService, transport);
