import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { AppError } from "../api/errors";
import { percent, t } from "../i18n";
import { errorSentence } from "../i18n/errors";
import { Icon } from "./Icon";
import { retryDelay } from "./retry-delay";
import "./notice.css";

interface NoticeProps {
  error: AppError;
  /** Does again what failed. Called by itself after a wait where waiting helps. */
  onRetry?: () => void;
}

/** An error as a sentence, with what can be done about it. */
export function Notice({ error, onRetry }: NoticeProps): VNode {
  const secondsLeft = useSignal(0);
  const tries = useRef(0);
  const timer = useRef<ReturnType<typeof setInterval> | undefined>(undefined);
  const retry = (): void => {
    // Who asks does not wait, and what was waited for is not asked for twice.
    clearInterval(timer.current);
    secondsLeft.value = 0;
    onRetry?.();
  };
  const newest = useRef(retry);
  newest.current = retry;
  const canRetry = onRetry !== undefined;

  useEffect(() => {
    const delay = canRetry ? retryDelay(error, tries.current) : null;
    secondsLeft.value = Math.ceil((delay ?? 0) / 1000);
    if (delay === null) return;
    const until = Date.now() + delay;
    timer.current = setInterval(() => {
      secondsLeft.value = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      // Nobody looks: asking waits until somebody does.
      if (secondsLeft.value > 0 || document.visibilityState === "hidden") return;
      tries.current += 1;
      newest.current();
    }, 250);
    return () => clearInterval(timer.current);
  }, [error, secondsLeft, canRetry]);

  const warm = Number.parseFloat(error.metadata.warm_up_fraction ?? "");
  const reference = error.metadata.request_id;
  return (
    <div class={error.retryable ? "notice passing" : "notice"} data-reason={error.reason}>
      <Icon name="alert" />
      <div class="notice-body">
        <p role="alert">{errorSentence(error)}</p>
        {Number.isFinite(warm) && (
          <p class="notice-warming">
            <progress value={warm} max={1} aria-label={errorSentence(error)} />
            {t("notice.warming", { percent: percent(warm) })}
          </p>
        )}
        {reference && <p class="notice-small">{t("notice.reference", { id: reference })}</p>}
        {secondsLeft.value > 0 && (
          <p class="notice-small" aria-hidden="true">
            {t("notice.retrying", { count: secondsLeft.value })}
          </p>
        )}
      </div>
      {canRetry && error.retryable && (
        <button type="button" class="button small" onClick={retry}>
          <Icon name="reload" size={16} />
          {t("action.retry")}
        </button>
      )}
    </div>
  );
}
