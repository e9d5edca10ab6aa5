import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { Notice } from "../parts/Notice";
import { route } from "../router";
import { photoFailure, preparing } from "./add";
import "./photo-news.css";

/** Tells that a photograph is being made ready, or why it cannot be used: they can be given in every view. */
export function PhotoNews(): VNode | null {
  const { url } = route.value;

  // Who has gone on to something else knows.
  useEffect(() => {
    photoFailure.value = null;
  }, [url]);

  if (!preparing.value && !photoFailure.value) return null;
  return (
    <div class="page photo-news">
      {preparing.value && <p class="lead">{t("photo.preparing")}</p>}
      {photoFailure.value && <Notice error={photoFailure.value} />}
    </div>
  );
}
