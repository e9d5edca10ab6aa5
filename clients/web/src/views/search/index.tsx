import type { VNode } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { announce } from "../../announce";
import { lang, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { photoFailure, preparing } from "../../photo/add";
import { scrollToRestore } from "../../router";
import { isEmpty } from "../../search/query";
import { results } from "../../search/results";
import { query } from "../../search/state";
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

  useEffect(() => {
    document.title = title === "" ? "Lookalike" : `${title} · Lookalike`;
  }, [title]);

  const found = results.value;
  // Said once for every answer.
  useEffect(() => {
    if (!found) return;
    announce(
      found.noGoodMatch
        ? t("announce.noGood")
        : t(found.ranked ? "announce.ranked" : "announce.found", { count: found.candidateCount }),
    );
  }, [found?.of, lang.value]);

  useLayoutEffect(() => {
    const top = scrollToRestore.peek();
    if (top === null || !found) return;
    scrollTo(0, top);
    scrollToRestore.value = null;
  }, [found]);

  return (
    <div class="page search">
      {empty ? <Hero /> : <h1 class="visually-hidden">{title}</h1>}
      {!empty && <PartsBar />}
      {preparing.value && <p class="lead">{t("photo.preparing")}</p>}
      {photoFailure.value && <Notice error={photoFailure.value} />}
      <div class="search-body">
        {photo && <PhotoStage key={photo.sha256} part={photo} />}
        <FacetSide />
        <Results />
      </div>
    </div>
  );
}
