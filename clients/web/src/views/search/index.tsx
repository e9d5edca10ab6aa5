import type { VNode } from "preact";
import { t } from "../../i18n";

export default function Search(): VNode {
  return (
    <div class="page">
      <h1>{t("nav.search")}</h1>
    </div>
  );
}
