import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remembered";

export type Theme = "system" | "light" | "dark";

const STORED = "lookalike.theme";

/** What the person chose. */
export const theme = signal<Theme>("system");
/** What is shown. */
export const shownTheme = signal<"light" | "dark">("light");

/** Applies the theme and follows the device while none is chosen. */
export function startTheme(): void {
  const stored = remembered(STORED);
  theme.value = stored === "light" || stored === "dark" ? stored : "system";
  const device = matchMedia("(prefers-color-scheme: dark)");
  const deviceIsDark = signal(device.matches);
  device.addEventListener("change", (event) => {
    deviceIsDark.value = event.matches;
  });
  effect(() => {
    const chosen = theme.value;
    shownTheme.value = chosen === "system" ? (deviceIsDark.value ? "dark" : "light") : chosen;
    document.documentElement.dataset.theme = shownTheme.value;
  });
}

/** Changes the theme and remembers it. */
export function setTheme(next: Theme): void {
  remember(STORED, next === "system" ? null : next);
  theme.value = next;
}
