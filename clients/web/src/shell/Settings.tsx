import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LANGUAGES, type Language, lang, setLanguage, t } from "../i18n";
import { Icon } from "../parts/Icon";
import { navigate, route } from "../router";
import { setTheme, type Theme, theme } from "../theme";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

/** What is chosen here outweighs what a link said, which would win again when the page is loaded anew. */
function choose(code: Language): void {
  setLanguage(code);
  const url = new URL(route.peek().url, location.origin);
  if (!url.searchParams.has("lang")) return;
  url.searchParams.delete("lang");
  navigate(url.pathname + url.search, { replace: true });
}

/** Language and appearance, in a small panel. */
export function Settings(): VNode {
  const open = useSignal(false);
  const whole = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open.value) return;
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && !whole.current?.contains(event.target)) open.value = false;
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      open.value = false;
      button.current?.focus();
    };
    document.addEventListener("pointerdown", onPointer);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPointer);
      document.removeEventListener("keydown", onKey);
    };
  }, [open.value, open]);

  return (
    <div class="settings" ref={whole}>
      <button
        type="button"
        class="icon-button"
        ref={button}
        aria-label={t("settings.label")}
        aria-expanded={open.value}
        aria-controls="settings-panel"
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <Icon name="settings" />
      </button>
      <div id="settings-panel" class="settings-panel" hidden={!open.value}>
        <fieldset>
          <legend>{t("settings.language")}</legend>
          <div class="settings-choices">
            {LANGUAGES.map(({ code, name }) => (
              <label key={code} lang={code}>
                <input
                  type="radio"
                  name="language"
                  checked={lang.value === code}
                  onChange={() => choose(code)}
                />
                {name}
              </label>
            ))}
          </div>
        </fieldset>
        <fieldset>
          <legend>{t("settings.theme")}</legend>
          <div class="settings-choices">
            {THEMES.map((name) => (
              <label key={name}>
                <input
                  type="radio"
                  name="theme"
                  checked={theme.value === name}
                  onChange={() => setTheme(name)}
                />
                {t(`theme.${name}`)}
              </label>
            ))}
          </div>
        </fieldset>
      </div>
    </div>
  );
}
