// How a session's end is written down: exchange, attempt and the backend's breaker, together and once.
import type { ExchangeDraft, Outcome } from "../../instrumentation/index.ts";
import { ClientLeft, GatewayError, outcomeOf } from "../errors.ts";
import type { Fleet } from "../fleet.ts";
import { downReasons } from "../routing/gate.ts";
import { Failed } from "../sending.ts";
import { Refused } from "./refusal.ts";

/** Why we end a session ourselves, which says nothing of its backend. */
const oursToEnd: ReadonlySet<string> = new Set(["shutting_down", "budget", "rate_limited", "internal"]);

/** Closes the exchange and its attempt; later calls change nothing. `at` is monotonic milliseconds. */
export function close(draft: ExchangeDraft, fleet: Fleet, outcome: Outcome, at: number): void {
  if (draft.close(outcome, at)) endAttempt(draft, fleet, outcome, at);
}

/** The same for the attempt alone, where another follows. */
export function endAttempt(draft: ExchangeDraft, { breaker }: Fleet, outcome: Outcome, at: number): void {
  const attempt = draft.attempts.at(-1);
  if (attempt === undefined || attempt.endedAt !== undefined) return;
  attempt.endedAt = at;
  const reason = "reason" in outcome ? outcome.reason : undefined;
  // The attempt's own word for being cut off by us or by the client.
  if (outcome.kind === "abandoned" || (reason !== undefined && oursToEnd.has(reason))) {
    attempt.result = "abandoned";
    if (attempt.status !== 101) breaker.forgo(attempt.backend);
    return;
  }
  attempt.result = outcome.kind;
  if (reason !== undefined) attempt.reason = reason;
  breaker.observe(attempt.backend, !(reason !== undefined && downReasons.has(reason)), attempt);
}

/** The outcome of a session that never began. */
export function outcomeOfFailure(error: unknown): Outcome {
  if (error instanceof ClientLeft) return { kind: "abandoned", status: 499 };
  if (error instanceof Refused) return outcomeOf(error.kind, error.detail, error.held?.status);
  if (error instanceof Failed) return outcomeOf(error.kind, error.detail);
  if (error instanceof GatewayError) return outcomeOf(error.kind, error.message);
  return outcomeOf("internal", error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}
