import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t as frame, useMessages } from "../../i18n";
import { Notice } from "../../parts/Notice";
import { ProductCard } from "../../parts/ProductCard";
import { CardSkeletons } from "../../parts/Skeleton";
import { WANTED, withPart } from "../../search/query";
import { again, type Results as Found, failure, findMore, results, waiting } from "../../search/results";
import { query, searchFor } from "../../search/state";
import { FacetSheet } from "./FacetSheet";
import { onGridKey } from "./grid-keys";
import { messages } from "./messages";
import { MissingPhoto, NoGoodMatch, Nothing } from "./Outcomes";
import "./results.css";

/** Pictures of the first rows are fetched at once. */
const ABOVE_THE_FOLD = 8;
const SKELETONS = 12;

/** What was found, and what is to be said about it. */
export function Results(): VNode {
  const found = results.value;
  const busy = waiting.value === "first";
  return (
    <section class="results" aria-busy={busy}>
      {failure.value && <Notice error={failure.value} onRetry={again} />}
      {found ? <Answer found={found} stale={busy} /> : busy && <CardSkeletons count={SKELETONS} />}
    </section>
  );
}

function Answer({ found, stale }: { found: Found; stale: boolean }): VNode {
  const t = useMessages(messages);
  const truncated = found.reports.some((report) => report.textTruncated);
  return (
    <div class={stale ? "answer stale" : "answer"}>
      <div class="results-bar">
        <FacetSheet />
        {found.matches.length > 0 && (
          <p class="results-count">
            {t(found.ranked ? "results.ranked" : "results.count", { count: found.candidateCount })}
          </p>
        )}
      </div>
      {found.missingPhotos.map((sha256) => (
        <MissingPhoto key={sha256} sha256={sha256} />
      ))}
      {found.noGoodMatch && <NoGoodMatch query={found.of} />}
      {truncated && <p class="lead">{t("results.truncated")}</p>}
      {found.matches.length === 0 ? (
        <Nothing query={found.of} />
      ) : (
        <>
          <h2 class="visually-hidden">{t("results.label")}</h2>
          <ul class="grid" aria-label={t("results.label")} onKeyDown={onGridKey}>
            {found.matches.map((match, index) => (
              <li key={match.product.productId}>
                <ProductCard
                  result={match}
                  eager={index < ABOVE_THE_FOLD}
                  onLike={(productId) => {
                    searchFor(withPart(query.peek(), { kind: "like", productId, weight: WANTED }));
                  }}
                />
              </li>
            ))}
          </ul>
          <More found={found} />
        </>
      )}
    </div>
  );
}

/** The next page: by itself when its place comes near, or by a button. */
function More({ found }: { found: Found }): VNode | null {
  const t = useMessages(messages);
  const place = useRef<HTMLDivElement>(null);
  const more = found.nextPageToken !== "";
  const idle = failure.value === null && waiting.value === "nothing";

  // A place that stays in sight is seen anew whenever a call has ended.
  useEffect(() => {
    const target = place.current;
    if (!target || !more || !idle) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void findMore();
      },
      { rootMargin: "800px" },
    );
    observer.observe(target);
    return () => observer.disconnect();
  }, [found.nextPageToken, more, idle]);

  if (!more) return <p class="results-end">{t("results.end")}</p>;
  return (
    <div class="more" ref={place}>
      {/* Never disabled: it would lose the focus to each page. */}
      <button type="button" class="button" onClick={() => void findMore()}>
        {waiting.value === "more" ? frame("view.loading") : t("results.more")}
      </button>
    </div>
  );
}
