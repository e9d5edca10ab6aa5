import type { VNode } from "preact";
import { t } from "../i18n";

export function SearchBox(): VNode {
  return (
    <form role="search" action="/">
      <input class="field" type="search" name="q" aria-label={t("search.label")} />
    </form>
  );
}
