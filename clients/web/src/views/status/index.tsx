import type { VNode } from "preact";
import { t } from "../../i18n";

export default function Status(): VNode {
  return (
    <div class="page">
      <h1>{t("nav.status")}</h1>
    </div>
  );
}
