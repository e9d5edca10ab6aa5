import type { VNode } from "preact";
import { t } from "../i18n";
import { Link } from "../router";
import { useTitle } from "../views/title";

/** Told where an address leads nowhere. */
export function Unknown(): VNode {
  const title = t("view.unknown.title");
  useTitle(title);
  return (
    <div class="page">
      <h1>{title}</h1>
      <p class="lead">{t("view.unknown.text")}</p>
      <p>
        <Link class="button" href="/">
          {t("view.unknown.home")}
        </Link>
      </p>
    </div>
  );
}
