import type { VNode } from "preact";
import { t } from "../../i18n";

export default function Ingest(): VNode {
  return (
    <div class="page">
      <h1>{t("nav.ingest")}</h1>
    </div>
  );
}
