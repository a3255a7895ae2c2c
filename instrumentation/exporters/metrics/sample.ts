// What exchanges of one group have in common: everything that decides which cells they feed.
import { answeringAttempt, type Exchange, type Labels } from "../../exchange.ts";
import { OTHER } from "../../label-value.ts";
import type { Registry } from "../../registry.ts";
import type { Step } from "./groups.ts";

export interface Sample {
  readonly exchange: Exchange;
  readonly labels: Labels;
  /** `gateway` where no backend was asked. */
  readonly backend: string;
  /** `undefined` where no backend was asked. */
  readonly provider: string | undefined;
  /** `ok` for completed, `abandoned` for abandoned. */
  readonly reason: string;
}

/** Adds one exchange of the group to the group's cells. */
export type Project = (exchange: Exchange) => void;

/** One family of metrics: which exchanges feed the same cells of it, and how. */
export interface Projection {
  /** Equal for exchanges that feed the same cells. Made of bounded values only, so that groups are bounded too. */
  readonly group: (sample: Sample) => readonly Step[];
  readonly bind: (registry: Registry, sample: Sample) => Project;
}

/** Without the `bound` processor every value that callers control is `other`: unbounded labels never get here. */
const unbounded: Labels = { model: OTHER, servedModel: OTHER, key: OTHER, feature: OTHER };

export function sampleOf(exchange: Exchange): Sample {
  const attempt = answeringAttempt(exchange);
  return {
    exchange,
    labels: exchange.labels ?? unbounded,
    backend: attempt?.backend ?? "gateway",
    provider: attempt?.provider,
    reason: reasonOf(exchange.outcome.kind, "reason" in exchange.outcome ? exchange.outcome.reason : undefined),
  };
}

/** The `reason` label of an outcome or of an attempt's result. */
export const reasonOf = (kind: Exchange["outcome"]["kind"], reason: string | undefined): string =>
  kind === "completed" ? "ok" : kind === "abandoned" ? "abandoned" : (reason ?? OTHER);

/** Binds a cell when it is first used, so that no label set exists before it has something to say. */
export function lazily<T>(bind: () => T): () => T {
  let bound: T | undefined;
  return () => {
    bound ??= bind();
    return bound;
  };
}
