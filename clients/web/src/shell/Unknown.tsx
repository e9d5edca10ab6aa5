import type { VNode } from "preact";
import { t } from "../i18n";
import { Link } from "../router";

/** Told where an address leads nowhere. */
export function Unknown(): VNode {
  return (
    <div class="page">
      <h1>{t("view.unknown.title")}</h1>
      <p class="lead">{t("view.unknown.text")}</p>
      <p>
        <Link class="button" href="/">
          {t("view.unknown.home")}
        </Link>
      </p>
    </div>
  );
}
