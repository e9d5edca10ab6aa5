import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { Link } from "../router";

/** Told where an address leads nowhere. */
export function Unknown(): VNode {
  const title = t("view.unknown.title");
  useEffect(() => {
    document.title = `${title} · Lookalike`;
  }, [title]);
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
