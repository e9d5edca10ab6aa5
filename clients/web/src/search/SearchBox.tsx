import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "../parts/Icon";
import { PhotoInput } from "../photo/PhotoInput";
import { waiting } from "./results";
import { commit, draft, type } from "./state";
import "./search-box.css";

/** More than anybody types; the server takes 64 KiB. */
const MOST_LETTERS = 500;

/** Words to search for, and the ways to a photograph. */
export function SearchBox(): VNode {
  const input = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const field =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || field || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  return (
    <form
      class="search-box"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        commit();
      }}
    >
      <span class={waiting.value === "first" ? "search-box-sign busy" : "search-box-sign"}>
        <Icon name="search" />
      </span>
      <input
        ref={input}
        class="search-box-input"
        type="text"
        name="q"
        inputMode="search"
        enterkeyhint="search"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={MOST_LETTERS}
        aria-label={t("search.label")}
        aria-keyshortcuts="/"
        placeholder={t("search.placeholder")}
        value={draft.value}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          // These keys choose among what an input method proposes.
          if (event.isComposing) return;
          if (event.key === "Escape" && draft.value !== "") {
            event.preventDefault();
            type("");
          } else if (event.key === "ArrowDown") {
            const first = document.querySelector<HTMLElement>(".results .card-link");
            if (!first) return;
            event.preventDefault();
            first.focus();
          }
        }}
      />
      {draft.value !== "" && (
        <button
          type="button"
          class="icon-button"
          aria-label={t("search.clear")}
          title={t("search.clear")}
          onClick={() => {
            type("");
            input.current?.focus();
          }}
        >
          <Icon name="close" size={18} />
        </button>
      )}
      <span class="search-box-photo">
        <PhotoInput class="icon-button" label={t("photo.choose")}>
          <Icon name="picture" />
        </PhotoInput>
      </span>
      <span class="search-box-camera">
        <PhotoInput class="icon-button" label={t("photo.take")} camera>
          <Icon name="camera" />
        </PhotoInput>
      </span>
    </form>
  );
}
