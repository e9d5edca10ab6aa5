import type { VNode } from "preact";
import { closeness, type Match } from "../api/match";
import { percent, t } from "../i18n";
import "./how-close.css";

/** How near a product is, as a bar with a word; nothing where the server says nothing of it. */
export function HowClose({ match }: { match: Pick<Match, "probability" | "weak"> }): VNode | null {
  const { probability, weak } = match;
  if (probability === undefined) return null;
  const word = closeness(probability, weak);
  return (
    <div class={`how-close ${word}`} title={t("close.label", { percent: percent(probability) })}>
      <span class="how-close-track" aria-hidden="true">
        <span style={{ width: `${Math.max(4, probability * 100)}%` }} />
      </span>
      <span class="how-close-word">
        {t(`close.${word}`)}
        <span class="visually-hidden"> ({percent(probability)})</span>
      </span>
    </div>
  );
}
