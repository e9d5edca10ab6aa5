import { render } from "preact";
import { startLanguage } from "./i18n";
import { route, startRouter } from "./router";
import { startFacets } from "./search/facets";
import { startResults } from "./search/results";
import { startSearch } from "./search/state";
import { App } from "./shell/App";
import { startTheme } from "./theme";

startTheme();
startLanguage(route.peek().params.get("lang"));
startRouter();
startSearch();
startResults();
startFacets();

const root = document.getElementById("app");
if (root) render(<App />, root);
