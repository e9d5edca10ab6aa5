import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { announce } from "../../announce";
import { lang, useMessages } from "../../i18n";
import { isEmpty } from "../../search/query";
import { results } from "../../search/results";
import { query } from "../../search/state";
import { urlOf } from "../../search/url";
import { useScrollBack } from "../scroll-back";
import { useTitle } from "../title";
import { FacetSide } from "./FacetSide";
import { Hero } from "./Hero";
import { messages } from "./messages";
import { PartsBar } from "./PartsBar";
import { PhotoStage } from "./PhotoStage";
import { Results } from "./Results";
import { titleOf } from "./title";
import "./search.css";

/** The search: what is asked for, and what was found. */
export default function Search(): VNode {
  const t = useMessages(messages);
  const now = query.value;
  const empty = isEmpty(now);
  const photo = now.parts.find((part) => part.kind === "photo");
  const title = titleOf(now, t);

  useTitle(title);

  const found = results.value;
  // Said once for every answer.
  useEffect(() => {
    if (!found) return;
    announce(
      found.noGoodMatch
        ? t("announce.noGood")
        : t(found.ranked ? "results.ranked" : "results.count", { count: found.candidateCount }),
    );
  }, [found?.of, lang.value]);

  // The answer before stays until the next is there; its height is not that of the place to return to.
  useScrollBack(found !== null && urlOf(found.of) === urlOf(now));

  return (
    <div class="page search">
      {empty ? <Hero /> : <h1 class="visually-hidden">{title}</h1>}
      {!empty && <PartsBar />}
      <div class="search-body">
        {photo && <PhotoStage key={photo.sha256} part={photo} />}
        <FacetSide />
        <Results />
      </div>
    </div>
  );
}
