// How long to wait before a request goes round again: exponential with jitter, or what the backend asked for.
import type { RetrySettings } from "../config/config.ts";
import { headerIn } from "../headers.ts";

const isNumber = /^\d+(?:\.\d+)?$/;

/** What a backend asked for, in milliseconds from `wall` (Unix milliseconds); `undefined` where it asked for nothing. */
export function askedWait(headers: readonly string[], wall: number): number | undefined {
  // OpenAI's finer header goes before the standard one (RFC 9110 §10.2.3).
  const millis = headerIn(headers, "retry-after-ms")?.trim() ?? "";
  if (isNumber.test(millis)) return Number(millis);
  const after = headerIn(headers, "retry-after")?.trim() ?? "";
  if (isNumber.test(after)) return Number(after) * 1000;
  // Date.parse takes nearly anything, a negative number for a year.
  const date = /^[A-Za-z]/.test(after) ? Date.parse(after) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wall);
}

/**
 * Milliseconds before round `round` (1 is the first retry). Between half and the whole of the exponential step, so that
 * clients that failed together do not come back together. What a backend asked for (0: nothing) is waited in full, with
 * a little on top for the same reason; `undefined` where that is longer than the settings allow.
 */
export function wait(
  { backoff, maxBackoff }: RetrySettings,
  round: number,
  asked: number,
  random: () => number,
): number | undefined {
  const step = Math.min(backoff * 2 ** (round - 1), maxBackoff) * 1000;
  if (asked === 0) return step * (0.5 + random() / 2);
  if (asked > maxBackoff * 1000) return undefined;
  return Math.max(asked + random() * Math.min(250, step), step * (0.5 + random() / 2));
}
