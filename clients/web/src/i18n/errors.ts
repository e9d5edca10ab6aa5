import type { AppError } from "../api/errors";
import { t } from ".";
import { en, type MessageKey } from "./en";

/** What an error means, as a sentence for people. */
export function errorSentence(error: AppError): string {
  if (error.reason === "UPSTREAM_UNAVAILABLE" && !error.metadata.service) {
    return t("error.UPSTREAM_UNAVAILABLE.any");
  }
  const key = `error.${error.reason}`;
  if (!isKey(key)) return t("error.UNKNOWN");
  return t(key, { service: "", detail: error.message, ...error.metadata });
}

function isKey(key: string): key is MessageKey {
  return Object.hasOwn(en, key);
}
