// Decides which targets may be asked now, and learns from how each try went.
import type { ExchangeDraft, OpenAttempt } from "../../instrumentation/index.ts";
import type { Ending } from "../attempt.ts";
import type { Availability } from "../availability.ts";
import { failures, GatewayError } from "../errors.ts";
import type { Gate } from "./itinerary.ts";
import type { Latency } from "./latency.ts";
import type { Target } from "./route.ts";

export interface LearningGate extends Gate {
  /** Told of each try that went out, once it is over. */
  learned(target: Target, ending: Ending, attempt: OpenAttempt | undefined, draft: ExchangeDraft): void;
  /** The answer where none of these may be asked. */
  noneUp(targets: readonly Target[]): GatewayError;
}

/** What speaks of the backend itself, and not of one request or one answer of it. */
export const downReasons: ReadonlySet<string> = new Set(["unreachable", "timeout", "upstream_status", "upstream_auth"]);

export function gate(availability: Availability, latency: Latency): LearningGate {
  return {
    admits: () => true,
    mayAdmit: ({ upstream }) => availability.up(upstream.backend.name),
    learned(target, ending, attempt, draft) {
      const { name } = target.upstream.backend;
      if (attempt?.result !== "abandoned" && speaksOfBackend(ending)) {
        availability.observe(name, !(attempt?.reason && downReasons.has(attempt.reason)));
      }
      if (ending.kind !== "answered" || attempt?.connectedAt === undefined || attempt.result !== "completed") return;
      const firstAt = draft.firstTokenAt ?? attempt.firstByteAt;
      if (firstAt !== undefined) latency.observe(target, (firstAt - attempt.connectedAt) / 1000);
    },
    noneUp: () => new GatewayError("no_backend_up"),
  };
}

/** A body that we cut off for its size or slowness, or a request that we could not make, is not the backend's doing. */
const speaksOfBackend = (ending: Ending): boolean =>
  ending.kind !== "failed" || (failures[ending.failure].outcome === "failed" && ending.failure !== "internal");
