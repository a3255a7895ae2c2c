// What an answer means for the record: from its status at first, and again from its content once it is over.
import type { Outcome } from "../instrumentation/index.ts";
import { type FailureKind, outcomeOf } from "./errors.ts";
import type { AnswerFacts } from "./receivers/receiver.ts";

/** The failure that an HTTP status stands for; `undefined` for success. `ownKey`: the request went under our key. */
export function failureOfStatus(status: number, ownKey: boolean): FailureKind | undefined {
  if (status < 400) return undefined;
  if (status === 401 || status === 403) return ownKey ? "backend_auth" : "client_key_rejected";
  if (status === 408) return "backend_status_timeout";
  if (status === 429) return "backend_limited";
  return status < 500 ? "upstream_rejected" : "backend_status";
}

/** The finish of an exchange whose operation has none of its own (files, models…). */
const plainFinish = "ok";

/** The outcome of an answer that went through to its last byte. */
export function outcomeOfStatus(status: number, ownKey: boolean): Outcome {
  const kind = failureOfStatus(status, ownKey);
  return kind === undefined ? { kind: "completed", status, finish: plainFinish } : outcomeOf(kind, undefined, status);
}

/**
 * The same outcome in the light of what the answer said: an error event or a failed response within a 200 is a
 * failure, and so is a stream that ended without its end mark, or JSON that is none.
 */
export function reviewed(outcome: Outcome, facts: AnswerFacts | undefined, streamed: boolean): Outcome {
  if (facts === undefined) return outcome;
  const told = facts.error?.message ?? facts.error?.code ?? facts.error?.type;
  if (outcome.kind === "completed") {
    if (facts.error) return outcomeOf("error_event", told, outcome.status);
    if (!facts.ended) {
      const why = streamed
        ? "The stream ended without its end mark."
        : "The answer is not the whole JSON that it says it is.";
      return outcomeOf("broken_answer", why, outcome.status);
    }
    return facts.finish === undefined ? outcome : { ...outcome, finish: facts.finish };
  }
  if (outcome.kind === "abandoned" || outcome.message !== undefined || told === undefined) return outcome;
  return { ...outcome, message: told };
}
