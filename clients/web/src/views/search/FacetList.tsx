import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { t as frame, number, useMessages } from "../../i18n";
import { type Facet, valuesShown } from "../../search/facet-values";
import { facets } from "../../search/facets";
import { isChosen, toggleFilter } from "../../search/query";
import { query, searchFor } from "../../search/state";
import { messages } from "./messages";
import { Swatch } from "./Swatch";
import "./facets.css";

/** Values shown before "show all". */
const FEW = 8;

/** The features worth showing: a single value would filter nothing. */
export function facetsShown(): Facet[] {
  return (facets.value ?? []).filter(
    (facet) => facet.values.length > 1 || (query.value.filters[facet.feature]?.length ?? 0) > 0,
  );
}

/** The features that filter, with their values and how many products each would show. */
export function FacetList(): VNode {
  return (
    <div class="facets">
      {facetsShown().map((facet) => (
        <FacetGroup key={facet.feature} facet={facet} />
      ))}
    </div>
  );
}

function FacetGroup({ facet }: { facet: Facet }): VNode {
  const t = useMessages(messages);
  const all = useSignal(false);
  const { feature } = facet;
  const values = valuesShown(facet, query.value.filters[feature] ?? []);
  const some = all.value
    ? values
    : values.filter(({ value }, index) => index < FEW || isChosen(query.value, feature, value));
  return (
    <fieldset class="facet">
      <legend>{frame(`field.${feature}`)}</legend>
      <ul>
        {some.map(({ value, count }) => (
          <li key={value}>
            <label class={count === 0 ? "facet-value none" : "facet-value"}>
              <input
                type="checkbox"
                checked={isChosen(query.value, feature, value)}
                onChange={() => searchFor(toggleFilter(query.peek(), feature, value))}
              />
              {feature === "colour" && <Swatch name={value} />}
              <span class="facet-name">{value}</span>
              <span class="facet-count">
                {number(count)}
                <span class="visually-hidden"> {t("facets.products", { count })}</span>
              </span>
            </label>
          </li>
        ))}
      </ul>
      {values.length > some.length || all.value ? (
        <button
          type="button"
          class="facet-more"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? t("facets.fewer") : t("facets.all", { count: values.length })}
        </button>
      ) : null}
    </fieldset>
  );
}
