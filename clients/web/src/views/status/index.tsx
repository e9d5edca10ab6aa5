import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { map, search } from "../../api/clients";
import { type AppError, toAppError } from "../../api/errors";
import type { GetStatusResponse } from "../../gen/lookalike/gateway/v1/search_pb";
import { lang, number, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Notice } from "../../parts/Notice";
import { Skeleton } from "../../parts/Skeleton";
import { Link } from "../../router";
import { ago } from "../ago";
import { useScrollBack } from "../scroll-back";
import { useTitle } from "../title";
import { Load } from "./Load";
import { messages } from "./messages";
import { usePolling } from "./polling";
import { Fact, ServiceCard } from "./ServiceCard";
import { type Sample, withSample } from "./samples";
import { knownName, overall, stateOf } from "./services";
import "./status.css";

const PAUSE_MS = 5000;
/** While something is out of order people wait for it to come back. */
const ANXIOUS_PAUSE_MS = 2000;
/** The gateway itself waits for its services; a status that takes longer is no answer. */
const PATIENCE_MS = 8000;

/** How the system is: services, catalogue, load. Asks again while it is seen. */
export default function Status(): VNode {
  const m = useMessages(messages);
  const answer = useSignal<GetStatusResponse | null>(null);
  const answeredMs = useSignal(0);
  const error = useSignal<AppError | null>(null);
  const samples = useSignal<readonly Sample[]>([]);

  const ask = async (signal: AbortSignal): Promise<void> => {
    try {
      const response = await search.getStatus({}, { signal, timeoutMs: PATIENCE_MS });
      answer.value = response;
      answeredMs.value = Date.now();
      error.value = null;
      samples.value = withSample(samples.peek(), sampleOf(response, performance.now()));
    } catch (thrown) {
      if (!signal.aborted) error.value = toAppError(thrown);
    }
  };
  const calm = error.value === null && overall(answer.value?.services ?? []) === "well";
  const askNow = usePolling(ask, calm ? PAUSE_MS : ANXIOUS_PAUSE_MS);
  useTitle(m("title"));

  const now = answer.value;
  useScrollBack(now !== null);
  return (
    <div class="page status">
      <h1>{m("title")}</h1>
      {error.value && <Notice error={error.value} onRetry={askNow} />}
      {error.value && now && (
        <p class="lead">{m("stale", { ago: ago(answeredMs.value, Date.now(), lang.value) })}</p>
      )}
      {now ? <Answer now={now} samples={samples.value} /> : !error.value && <Waiting />}
    </div>
  );
}

function Answer({ now, samples }: { now: GetStatusResponse; samples: readonly Sample[] }): VNode {
  const m = useMessages(messages);
  return (
    <>
      <Overall now={now} />
      <section class="status-part" aria-labelledby="status-services">
        <h2 id="status-services">{m("services")}</h2>
        <ul class="services">
          {now.services.map((service) => (
            <ServiceCard key={service.name} service={service} />
          ))}
        </ul>
      </section>
      <Catalogue now={now} />
      {now.load && <Load load={now.load} samples={samples} />}
      <p class="status-foot">{m("metrics")}</p>
    </>
  );
}

function Overall({ now }: { now: GetStatusResponse }): VNode {
  const m = useMessages(messages);
  const state = overall(now.services);
  const names = now.services
    .filter((service) => stateOf(service) !== "serving")
    .map((service) => {
      const name = knownName(service.name);
      return name ? m(`name.${name}`) : service.name;
    });
  const listed = new Intl.ListFormat(lang.value).format(names);
  return (
    <p class={`overall ${state}`} role="status">
      <Icon name={state === "well" ? "check" : state === "warming" ? "reload" : "alert"} />
      {m(`all.${state}`, { names: listed })}
    </p>
  );
}

function Catalogue({ now }: { now: GetStatusResponse }): VNode {
  const m = useMessages(messages);
  return (
    <section class="status-part" aria-labelledby="status-catalogue">
      <h2 id="status-catalogue">{m("catalogue")}</h2>
      <dl class="counts">
        <Fact name={m("products")} value={number(Number(now.productCount))} />
        <Fact name={m("images")} value={number(Number(now.imageCount))} />
        <Fact name={m("version")} value={number(Number(now.indexVersion))} />
        <Fact name={m("store")} value={now.store === "mongodb" ? "MongoDB" : "SQLite"} />
        <MapAge indexVersion={now.indexVersion} />
      </dl>
      {now.pipelineVersion && (
        <dl class="facts pipeline">
          <Fact name={m("pipeline")} value={now.pipelineVersion} />
        </dl>
      )}
    </section>
  );
}

/** When the map was drawn, as far as that is known; asked again when the catalogue has changed. */
function MapAge({ indexVersion }: { indexVersion: bigint }): VNode | null {
  const m = useMessages(messages);
  const drawnMs = useSignal<number | "never" | null>(null);
  useEffect(() => {
    const gone = new AbortController();
    const ask = async (): Promise<void> => {
      for await (const { message } of map.getMap({}, { signal: gone.signal })) {
        const time = message.case === "header" ? message.value.createTime : undefined;
        drawnMs.value = time ? Number(time.seconds) * 1000 : null;
        // Only the header is wanted; leaving the loop does not end the call, and all points would come.
        gone.abort();
        break;
      }
    };
    ask().catch((thrown: unknown) => {
      // Where nobody is there to ask, the services above tell.
      if (toAppError(thrown).reason === "MAP_NOT_FOUND") drawnMs.value = "never";
    });
    return () => gone.abort();
  }, [indexVersion]);
  const at = drawnMs.value;
  if (at === null) return <Fact name={m("map")} value="–" />;
  const when = at === "never" ? m("map.none") : ago(at, Date.now(), lang.value);
  return <Fact name={m("map")} value={<Link href="/map">{when}</Link>} />;
}

function Waiting(): VNode {
  const m = useMessages(messages);
  return (
    <>
      <p class="lead">{m("all.unknown")}</p>
      <ul class="services" aria-hidden="true">
        {["gateway", "segmenter", "embedder", "indexer"].map((name) => (
          <li key={name} class="service">
            <Skeleton shape="short" />
            <Skeleton shape="line" />
            <Skeleton shape="line" />
          </li>
        ))}
      </ul>
    </>
  );
}

function sampleOf(response: GetStatusResponse, atMs: number): Sample {
  const { load } = response;
  return {
    atMs,
    searchesPerS: load?.searchesPerS ?? 0,
    searchP95Ms: load?.searchP95Ms ?? 0,
    productsPerS: load?.ingestedProductsPerS ?? 0,
    imagesPerS: load?.ingestedImagesPerS ?? 0,
    errorsPerS: load?.errorsPerS ?? 0,
  };
}
