import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t as frame, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { FEATURES, hasFilters, withoutFilters } from "../../search/query";
import { results } from "../../search/results";
import { query, searchFor } from "../../search/state";
import { FacetList, facetsShown } from "./FacetList";
import { messages } from "./messages";
import "./facet-sheet.css";

/** The features that filter, in a sheet from below: on a phone. */
export function FacetSheet(): VNode | null {
  const t = useMessages(messages);
  const sheet = useRef<HTMLDialogElement>(null);
  const chosen = FEATURES.reduce((sum, feature) => sum + (query.value.filters[feature]?.length ?? 0), 0);
  const close = (): void => sheet.current?.close();

  // A sheet makes no sense once there is room beside the results.
  useEffect(() => {
    const wide = matchMedia("(min-width: 861px)");
    const onChange = (): void => sheet.current?.close();
    wide.addEventListener("change", onChange);
    return () => wide.removeEventListener("change", onChange);
  }, []);

  if (facetsShown().length === 0) return null;
  return (
    <div class="facets-open">
      <button type="button" class="button" onClick={() => sheet.current?.showModal()}>
        <Icon name="filter" size={18} />
        {t("facets.label")}
        {chosen > 0 && <span class="facets-badge">{chosen}</span>}
      </button>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the Escape key closes every dialog by itself */}
      <dialog
        class="sheet"
        ref={sheet}
        aria-label={t("facets.label")}
        onClick={(event) => {
          // Only its own ground is the dialog itself: everything else lies in the body.
          if (event.target === event.currentTarget) close();
        }}
      >
        <div class="sheet-body">
          <div class="sheet-head">
            <h2>{t("facets.label")}</h2>
            <button type="button" class="icon-button" aria-label={frame("action.close")} onClick={close}>
              <Icon name="close" />
            </button>
          </div>
          <FacetList />
          <div class="sheet-foot">
            {hasFilters(query.value) && (
              <button type="button" class="button" onClick={() => searchFor(withoutFilters(query.peek()))}>
                {t("facets.clear")}
              </button>
            )}
            <button type="button" class="button primary" onClick={close}>
              {t("facets.show", { count: results.value?.candidateCount ?? 0 })}
            </button>
          </div>
        </div>
      </dialog>
    </div>
  );
}
