// What may be tried again, and where: whether a failed attempt could have had an effect, and whether another may help.
import type { FailureKind } from "../errors.ts";
import type { Receiver } from "../receivers/receiver.ts";

/**
 * How a request may be repeated: never (its body is gone), only while no backend can have acted on it, or at will.
 * A model's answer can be had twice; a file, a batch or a fine-tuning job made twice is one too many.
 */
export type Repeatable = "never" | "unsent" | "always";

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export function repeatable({ metered }: Receiver, method: string, bodyIsKept: boolean): Repeatable {
  if (!bodyIsKept) return "never";
  return safeMethods.has(method) || metered ? "always" : "unsent";
}

/** The backend did not get the request, or says that it did nothing with it. */
const unsent: ReadonlySet<FailureKind> = new Set([
  "connect_timeout",
  "backend_limited",
  "no_backend_up",
  "queue_full",
  "queue_timeout",
]);

/** Another try may go better. A refusal of the request itself, or of the client's own key, stays what it is. */
const passing: ReadonlySet<FailureKind> = new Set([
  ...unsent,
  "unreachable",
  "first_byte_timeout",
  "idle_timeout",
  "total_timeout",
  "backend_status",
  "backend_status_timeout",
  "backend_auth",
  "broken_answer",
  "bad_answer",
  "error_event",
]);

/** Whether the request may be tried again after this failure. `sent`: bytes of it may have reached the backend. */
export function mayRepeat(how: Repeatable, failure: FailureKind, sent: boolean): boolean {
  if (how === "never" || !passing.has(failure)) return false;
  return how === "always" || unsent.has(failure) || !sent;
}

/** Asking the very same target again is no use: it would refuse the gateway's key again. */
export const needsAnother = (failure: FailureKind): boolean => failure === "backend_auth";
