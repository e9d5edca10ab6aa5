import type { VNode } from "preact";
import { useMessages } from "../../i18n";
import { facets } from "../../search/facets";
import { FacetList, facetsShown } from "./FacetList";
import { messages } from "./messages";

/** The features that filter, beside the results where there is room. */
export function FacetSide(): VNode | null {
  const t = useMessages(messages);
  // Their room is kept until they are known, so that the results do not jump when they come.
  if (facets.value === null) return <aside class="facets-side" aria-hidden="true" />;
  if (facetsShown().length === 0) return null;
  return (
    <aside class="facets-side" aria-label={t("facets.label")}>
      <FacetList />
    </aside>
  );
}
