import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t as frame, number, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { type Facet, valuesShown } from "../../search/facet-values";
import { facets } from "../../search/facets";
import { EMPTY, FEATURES, hasFilters, isChosen, toggleFilter } from "../../search/query";
import { results } from "../../search/results";
import { query, searchFor } from "../../search/state";
import { messages } from "./messages";
import { Swatch } from "./Swatch";
import "./facets.css";

/** Values shown before "show all". */
const FEW = 8;

/** The features that filter: beside the results, or in a sheet from below on a phone. */
export function Facets(): VNode | null {
  const t = useMessages(messages);
  const sheet = useRef<HTMLDialogElement>(null);
  const shown = (facets.value ?? []).filter(
    (facet) => facet.values.length > 1 || (query.value.filters[facet.feature]?.length ?? 0) > 0,
  );
  const chosen = FEATURES.reduce((sum, feature) => sum + (query.value.filters[feature]?.length ?? 0), 0);

  // A sheet makes no sense once there is room beside the results.
  useEffect(() => {
    const wide = matchMedia("(min-width: 861px)");
    const close = (): void => sheet.current?.close();
    wide.addEventListener("change", close);
    return () => wide.removeEventListener("change", close);
  }, []);

  if (shown.length === 0) return null;
  return (
    <>
      <aside class="facets-side" aria-label={t("facets.label")}>
        <FacetList facets={shown} />
      </aside>
      <div class="facets-open">
        <button type="button" class="button" onClick={() => sheet.current?.showModal()}>
          <Icon name="filter" size={18} />
          {t("facets.label")}
          {chosen > 0 && <span class="facets-badge">{chosen}</span>}
        </button>
      </div>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the Escape key closes every dialog by itself */}
      <dialog
        class="sheet"
        ref={sheet}
        aria-label={t("facets.label")}
        onClick={(event) => {
          // Only its own ground is the dialog itself: everything else lies in the body.
          if (event.target === event.currentTarget) sheet.current?.close();
        }}
      >
        <div class="sheet-body">
          <div class="sheet-head">
            <h2>{t("facets.label")}</h2>
            <button
              type="button"
              class="icon-button"
              aria-label={frame("action.close")}
              onClick={() => sheet.current?.close()}
            >
              <Icon name="close" />
            </button>
          </div>
          <FacetList facets={shown} />
          <div class="sheet-foot">
            {hasFilters(query.value) && (
              <button
                type="button"
                class="button"
                onClick={() => searchFor({ ...query.peek(), filters: EMPTY.filters })}
              >
                {t("facets.clear")}
              </button>
            )}
            <button type="button" class="button primary" onClick={() => sheet.current?.close()}>
              {t("facets.show", { count: results.value?.candidateCount ?? 0 })}
            </button>
          </div>
        </div>
      </dialog>
    </>
  );
}

function FacetList({ facets: list }: { facets: Facet[] }): VNode {
  return (
    <div class="facets">
      {list.map((facet) => (
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
