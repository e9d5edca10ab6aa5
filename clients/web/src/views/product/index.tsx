import type { VNode } from "preact";
import { t } from "../../i18n";

export default function Product(): VNode {
  return (
    <div class="page">
      <h1>{t("view.loading")}</h1>
    </div>
  );
}
