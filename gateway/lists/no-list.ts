// Why a list is not to be had.
import { type FailureKind, failures, GatewayError } from "../errors.ts";
import { Failed } from "../sending.ts";

/** The error of whom a client is told, where backends failed for these reasons; a fault of theirs goes before ours. */
export function noList(reasons: readonly FailureKind[]): GatewayError {
  const kind = reasons.find((reason) => failures[reason].outcome === "failed") ?? reasons[0] ?? "unreachable";
  return failures[kind].outcome === "refused"
    ? new GatewayError(kind)
    : new Failed(kind, `No backend gave its list: ${reasons.join(", ")}.`);
}
