import type { VNode } from "preact";
import { t } from "../i18n";
import { Icon } from "../parts/Icon";
import { Link } from "../router";
import { SearchBox } from "../search/SearchBox";
import { Navigation } from "./Navigation";
import { Settings } from "./Settings";
import "./header.css";

/** The top of every view: the name, the search box, the ways to go. */
export function Header(): VNode {
  return (
    <header class="header">
      <Link class="wordmark" href="/" aria-label={t("app.home")}>
        <Icon name="hanger" size={24} />
        <span aria-hidden="true">Lookalike</span>
      </Link>
      <SearchBox />
      <Navigation />
      <Settings />
    </header>
  );
}
