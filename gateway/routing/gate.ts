// Decides which targets may be asked now, and learns from how each try went.
import type { ExchangeDraft, OpenAttempt } from "../../instrumentation/index.ts";
import type { Ending } from "../attempt.ts";
import { failures, GatewayError } from "../errors.ts";
import type { Breaker } from "./breaker.ts";
import type { Gate } from "./itinerary.ts";
import type { Latency } from "./latency.ts";
import type { Target } from "./route.ts";

export interface LearningGate extends Gate {
  /** An admitted request takes a trial's place; to be asked at once. */
  isTrial(target: Target): boolean;
  /** May an admitted request that has waited for its turn still go? Where it may not, it holds no place any more. */
  stillAdmits(target: Target, isTrial: boolean): boolean;
  /** An answer of success begins. */
  answers(target: Target): void;
  /** Told of each try that went out, once it is over. */
  learned(target: Target, tried: Tried): void;
  /** An admitted request did not go there after all. */
  forgo(target: Target): void;
  /** The answer where none of these may be asked. */
  noneUp(targets: readonly Target[]): GatewayError;
}

interface Tried {
  readonly ending: Ending;
  readonly attempt: OpenAttempt | undefined;
  readonly draft: ExchangeDraft;
  /** The request was sent at the client's pace: how long it took says nothing of the backend. */
  readonly isUpload: boolean;
}

/** What speaks of the backend itself, and not of one request or one answer of it. */
export const downReasons: ReadonlySet<string> = new Set(["unreachable", "timeout", "upstream_status", "upstream_auth"]);

export function gate(breaker: Breaker, latency: Latency): LearningGate {
  const nameOf = ({ upstream }: Target): string => upstream.backend.name;
  return {
    admits: (target) => breaker.admits(nameOf(target)),
    mayAdmit: (target) => breaker.mayAdmit(nameOf(target)),
    isTrial: (target) => breaker.state(nameOf(target)) === "half_open",
    stillAdmits: (target, isTrial) => breaker.stillAdmits(nameOf(target), isTrial),
    forgo: (target) => breaker.forgo(nameOf(target)),
    answers: (target) => breaker.answers(nameOf(target)),
    learned(target, { ending, attempt, draft, isUpload }) {
      if (attempt?.result !== "abandoned" && speaksOfBackend(ending)) {
        breaker.observe(nameOf(target), !(attempt?.reason && downReasons.has(attempt.reason)), attempt);
      } else breaker.forgo(nameOf(target));
      if (
        isUpload ||
        ending.kind !== "answered" ||
        attempt?.connectedAt === undefined ||
        attempt.result !== "completed"
      )
        return;
      const firstAt = draft.firstTokenAt ?? attempt.firstByteAt;
      if (firstAt !== undefined) latency.observe(target, (firstAt - attempt.connectedAt) / 1000);
    },
    noneUp: (targets) =>
      new GatewayError("no_backend_up", undefined, undefined, {
        retryAfter: breaker.retryAfterSeconds(targets.map(nameOf)),
      }),
  };
}

/** A body that we cut off for its size or slowness, or a request that we could not make, is not the backend's doing. */
const speaksOfBackend = (ending: Ending): boolean =>
  ending.kind !== "failed" || (failures[ending.failure].outcome === "failed" && ending.failure !== "internal");
