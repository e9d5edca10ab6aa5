import type { VNode } from "preact";
import { t } from "../../i18n";

export default function MapView(): VNode {
  return (
    <div class="page">
      <h1>{t("nav.map")}</h1>
    </div>
  );
}
