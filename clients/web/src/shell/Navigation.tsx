import type { VNode } from "preact";
import { type MessageKey, t } from "../i18n";
import { Icon, type IconName } from "../parts/Icon";
import { Link, route, type View } from "../router";

const PLACES: ReadonlyArray<{ view: View; href: string; label: MessageKey; icon: IconName }> = [
  { view: "search", href: "/", label: "nav.search", icon: "search" },
  { view: "map", href: "/map", label: "nav.map", icon: "map" },
  { view: "ingest", href: "/ingest", label: "nav.ingest", icon: "add" },
  { view: "status", href: "/status", label: "nav.status", icon: "status" },
];

/** The four places; along the bottom on a phone. */
export function Navigation(): VNode {
  return (
    <nav class="navigation" aria-label={t("nav.label")}>
      {PLACES.map(({ view, href, label, icon }) => (
        <Link key={view} href={href} aria-current={route.value.view === view ? "page" : undefined}>
          <Icon name={icon} />
          <span>{t(label)}</span>
        </Link>
      ))}
    </nav>
  );
}
