// The members that all completed exchanges of one kind have in common, written once for each kind.
import { answeringAttempt, type Exchange } from "../../exchange.ts";
import { ownText } from "../../own-text.ts";
import { recent } from "../../recent.ts";

/** One kind, and its text. */
type Kind = Pick<Exchange, "operation" | "method" | "endpoint" | "streamed" | "cache"> & {
  readonly requested: string | undefined;
  readonly served: string | undefined;
  readonly backend: string | undefined;
  readonly attempts: number;
  readonly status: number;
  readonly finish: string;
  readonly text: string;
};

/** Names of models that are kept, and kinds for each of them; past those they are forgotten and written anew. */
const names = 500;
const perName = 8;
/** Longer texts are not kept: the memory is bounded in bytes too. */
const longest = 1_000;

/**
 * The same function, with what it wrote for the last kinds at hand. Twelve members are 35 pieces of text, which take
 * 500 ns to join; to find them joined takes 100. Exchanges that did not complete are written each for itself.
 */
export function kinds(write: (exchange: Exchange) => string): (exchange: Exchange) => string {
  const byName = recent<Kind[]>(names);
  return (exchange) => {
    const { outcome, model } = exchange;
    if (outcome.kind !== "completed") return write(exchange);
    const name = model.served ?? model.requested ?? "";
    const backend = answeringAttempt(exchange)?.backend;
    const kept = byName.get(name);
    if (kept !== undefined) {
      for (const kind of kept) {
        if (
          kind.operation === exchange.operation &&
          kind.streamed === exchange.streamed &&
          kind.status === outcome.status &&
          kind.backend === backend &&
          kind.attempts === exchange.attempts.length &&
          kind.cache === exchange.cache &&
          kind.method === exchange.method &&
          kind.endpoint === exchange.endpoint &&
          kind.finish === outcome.finish &&
          kind.requested === model.requested &&
          kind.served === model.served
        )
          return kind.text;
      }
    }
    const text = ownText(write(exchange));
    if (text.length > longest) return text;
    const { operation, method, endpoint, streamed, cache, attempts } = exchange;
    const kind: Kind = {
      operation,
      method,
      endpoint,
      streamed,
      cache,
      requested: model.requested === undefined ? undefined : ownText(model.requested),
      served: model.served === undefined ? undefined : ownText(model.served),
      backend,
      attempts: attempts.length,
      status: outcome.status,
      finish: ownText(outcome.finish),
      text,
    };
    if (kept === undefined) byName.set(ownText(name), [kind]);
    else {
      if (kept.length === perName) kept.length = 0;
      kept.push(kind);
    }
    return text;
  };
}
