import type { VNode } from "preact";
import { statusToAppError } from "../../api/errors";
import type { ServiceStatus } from "../../gen/lookalike/gateway/v1/search_pb";
import { lang, percent, useMessages } from "../../i18n";
import { errorSentence } from "../../i18n/errors";
import { Icon, type IconName } from "../../parts/Icon";
import { messages } from "./messages";
import { knownName, providerName, type State, stateOf } from "./services";
import { duration } from "./words";

const ICONS: Record<State, IconName> = {
  serving: "check",
  warming: "reload",
  not_serving: "alert",
  unreachable: "close",
};

/** One service: how it is, what it runs, and what does not work without it. */
export function ServiceCard({ service }: { service: ServiceStatus }): VNode {
  const m = useMessages(messages);
  const state = stateOf(service);
  const name = knownName(service.name);
  const down = state === "unreachable" || state === "not_serving";
  return (
    <li class={`service ${state}`}>
      <div class="service-head">
        <h3>{name ? m(`name.${name}`) : service.name}</h3>
        <p class="service-state">
          <Icon name={ICONS[state]} size={16} />
          {m(`state.${state}`)}
        </p>
      </div>
      {name && <p class="service-does">{m(`does.${name}`)}</p>}
      {service.warmUpFraction !== undefined && (
        <p class="service-warm">
          <progress value={service.warmUpFraction} max={1} aria-label={m("state.warming")} />
          {m("warm", { percent: percent(service.warmUpFraction) })}
        </p>
      )}
      {down && service.status && <p class="service-why">{errorSentence(statusToAppError(service.status))}</p>}
      {down && name && <p class="service-without">{m(`without.${name}`)}</p>}
      <dl class="facts">
        {service.detail && <Fact name={m(name === "indexer" ? "store" : "model")} value={service.detail} />}
        {service.executionProvider && (
          <Fact name={m("provider")} value={providerName(service.executionProvider)} />
        )}
        {!down && service.latencyMs > 0 && (
          <Fact name={m("latency")} value={duration(service.latencyMs, lang.value)} />
        )}
      </dl>
    </li>
  );
}

/** A name and what it is. */
export function Fact({ name, value }: { name: string; value: string | VNode }): VNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
