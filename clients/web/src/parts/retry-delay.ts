import type { AppError } from "../api/errors";

const LONGEST_MS = 15_000;
const USUAL_MS = 2_000;

/**
 * How long to wait before asking again by oneself; null: only when a person says so. Each try waits
 * longer, and never shorter than the server asked for.
 */
export function retryDelay(error: AppError, tries: number): number | null {
  // A bug does not go away by itself, and what took too long would only take long again.
  if (!error.retryable || error.reason === "INTERNAL" || error.reason === "DEADLINE_PASSED") return null;
  const wanted = Math.max(error.retryAfterMs ?? USUAL_MS, 1_000);
  return Math.max(Math.min(wanted * 1.5 ** tries, LONGEST_MS), wanted);
}
