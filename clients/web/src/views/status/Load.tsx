import type { ComponentChildren, VNode } from "preact";
import type { GatewayLoad } from "../../gen/lookalike/gateway/v1/search_pb";
import { lang, useMessages } from "../../i18n";
import { messages } from "./messages";
import { Sparkline } from "./Sparkline";
import type { Measure, Sample } from "./samples";
import { duration, rate } from "./words";

/** What the gateway has done lately, in figures with their curves. */
export function Load({ load, samples }: { load: GatewayLoad; samples: readonly Sample[] }): VNode {
  const m = useMessages(messages);
  const language = lang.value;
  const searched = load.searchP95Ms > 0;
  const p50 = duration(load.searchP50Ms, language);
  const p95 = duration(load.searchP95Ms, language);
  return (
    <section class="status-part" aria-labelledby="status-load">
      <h2 id="status-load">{m("load")}</h2>
      <p class="lead">{m("window", { window: duration(Math.max(load.windowS, 1) * 1000, language) })}</p>
      <ul class="figures">
        <Figure
          name={m("searches")}
          value={rate(load.searchesPerS, language)}
          samples={samples}
          of="searchesPerS"
        >
          {searched ? m("searches.detail", { p50, p95 }) : m("searches.none")}
        </Figure>
        <Figure name={m("p95")} value={searched ? p95 : "–"} samples={samples} of="searchP95Ms" />
        <Figure
          name={m("ingested")}
          value={rate(load.ingestedProductsPerS, language)}
          samples={samples}
          of="productsPerS"
        >
          {m("ingested.detail", { count: load.openIngestCalls })}
        </Figure>
        <Figure
          name={m("cut")}
          value={rate(load.ingestedImagesPerS, language)}
          samples={samples}
          of="imagesPerS"
        />
        <Figure
          name={m("errors")}
          value={rate(load.errorsPerS, language)}
          samples={samples}
          of="errorsPerS"
        />
      </ul>
    </section>
  );
}

interface FigureProps {
  name: string;
  value: string;
  samples: readonly Sample[];
  of: Measure;
  children?: ComponentChildren;
}

function Figure({ name, value, samples, of, children }: FigureProps): VNode {
  const m = useMessages(messages);
  const largest = Math.max(...samples.map((sample) => sample[of]), 0);
  const top = of === "searchP95Ms" ? duration(largest, lang.value) : rate(largest, lang.value);
  return (
    <li class="figure">
      <p class="figure-name">{name}</p>
      <p class="figure-value">{value}</p>
      <Sparkline samples={samples} of={of} label={m("curve", { name, top })} />
      <p class="figure-detail">{children}</p>
    </li>
  );
}
