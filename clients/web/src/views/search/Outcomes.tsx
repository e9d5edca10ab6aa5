import type { VNode } from "preact";
import { focusView } from "../../focus";
import { lang, useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { PhotoInput } from "../../photo/PhotoInput";
import { Link } from "../../router";
import { hasFilters, type Query, withoutFilters } from "../../search/query";
import { query, searchFor } from "../../search/state";
import { messages } from "./messages";
import "./outcomes.css";

/** Said when what was found is not what was asked for, with ways on. */
export function NoGoodMatch({ query: of }: { query: Query }): VNode {
  const t = useMessages(messages);
  return (
    <div class="outcome">
      <h2>{t("noGood.title")}</h2>
      <p>{t("noGood.text")}</p>
      {lang.value !== "en" && of.text !== "" && <p>{t("hint.english")}</p>}
      <div class="outcome-ways">
        {hasFilters(of) && <WithoutFilters />}
        <PhotoInput class="button small">
          <Icon name="picture" size={16} />
          {t(of.parts.some((part) => part.kind === "photo") ? "noGood.otherPhoto" : "noGood.photo")}
        </PhotoInput>
        <Link class="button small" href="/">
          {t("noGood.all")}
        </Link>
      </div>
    </div>
  );
}

/** Said when there is nothing to show: the filters leave none, or the catalogue is empty. */
export function Nothing({ query: of }: { query: Query }): VNode {
  const t = useMessages(messages);
  if (hasFilters(of)) {
    return (
      <div class="outcome">
        <h2>{t("nothing.title")}</h2>
        <p>{t("nothing.text")}</p>
        <div class="outcome-ways">
          <WithoutFilters />
        </div>
      </div>
    );
  }
  return (
    <div class="outcome">
      <h2>{t("empty.title")}</h2>
      <p>{t("empty.text")}</p>
      <p>
        <code>make demo</code>
      </p>
      <div class="outcome-ways">
        <Link class="button primary" href="/ingest">
          {t("empty.add")}
        </Link>
      </div>
    </div>
  );
}

/** Said when a link's photograph is not in this browser. */
export function MissingPhoto({ sha256 }: { sha256: string }): VNode {
  const t = useMessages(messages);
  const without = (): void => {
    const now = query.peek();
    focusView();
    searchFor({
      ...now,
      parts: now.parts.filter((part) => part.kind !== "photo" || part.sha256 !== sha256),
    });
  };
  return (
    <div class="outcome" data-outcome="missing-photo">
      <h2>{t("missing.title")}</h2>
      <p>{t("missing.text")}</p>
      <div class="outcome-ways">
        <PhotoInput class="button small">
          <Icon name="picture" size={16} />
          {t("missing.choose")}
        </PhotoInput>
        <button type="button" class="button small" onClick={without}>
          {t("missing.without")}
        </button>
      </div>
    </div>
  );
}

function WithoutFilters(): VNode {
  const t = useMessages(messages);
  return (
    <button
      type="button"
      class="button small"
      onClick={() => {
        focusView();
        searchFor(withoutFilters(query.peek()));
      }}
    >
      {t("facets.clear")}
    </button>
  );
}
