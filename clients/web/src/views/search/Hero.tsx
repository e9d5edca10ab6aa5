import type { VNode } from "preact";
import { lang, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { PhotoInput } from "../../photo/PhotoInput";
import { Link } from "../../router";
import { facets } from "../../search/facets";
import { EMPTY } from "../../search/query";
import { urlOf } from "../../search/url";
import { messages } from "./messages";
import { suggestionsFrom } from "./suggestions";

/** What people see who have not asked for anything yet. */
export function Hero(): VNode {
  const t = useMessages(messages);
  const suggestions = suggestionsFrom(facets.value ?? []);
  return (
    <section class="hero">
      <div>
        <h1>{t("hero.title")}</h1>
        <p class="lead">{t("hero.lead")}</p>
        {suggestions.length > 0 && (
          <ul class="hero-suggestions" aria-label={t("hero.suggestions")}>
            {suggestions.map((text) => (
              <li key={text}>
                <Link class="button small" href={urlOf({ ...EMPTY, text })}>
                  {text}
                </Link>
              </li>
            ))}
          </ul>
        )}
        {lang.value !== "en" && <p class="hero-hint">{t("hint.english")}</p>}
      </div>
      <PhotoInput class="hero-photo">
        <Icon name="camera" size={28} />
        <strong>{t("hero.photo")}</strong>
        <span class="with-mouse">{t("hero.photoHow")}</span>
        <span class="with-finger">{t("hero.photoTouch")}</span>
      </PhotoInput>
    </section>
  );
}
