import { render } from "preact";
import { startLanguage } from "./i18n";
import { route, startRouter } from "./router";
import { App } from "./shell/App";
import { startTheme } from "./theme";

startTheme();
startLanguage(route.peek().params.get("lang"));
startRouter();

const root = document.getElementById("app");
if (root) render(<App />, root);
