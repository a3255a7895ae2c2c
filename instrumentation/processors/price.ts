// The price processor: what each exchange cost, by the operator's rules or the published price list.
import type { CacheSaved } from "../cache-saved.ts";
import type { Attempt, Exchange } from "../exchange.ts";
import type { Processor } from "../pipeline.ts";
import { costs, type PriceOptions } from "./price/costs.ts";

/**
 * Sets `cost` on exchanges whose operation can cost; everything else passes as it is. An answer from the cache costs 0;
 * what it would have cost, had a backend made it now, stands in `cacheSaved`. Estimated tokens are priced like stated
 * ones; `usageSource` tells them apart.
 *
 * Throws a RangeError at once, with a sentence for the operator, where a rule makes no sense.
 */
export function price(options: PriceOptions): Processor {
  const costOf = costs(options);

  /** All attempts; those whose answers were discarded with what their backends charge for them all the same. */
  const charged = (exchange: Exchange): readonly Attempt[] => {
    // What else is known is of the answer that counts.
    const { media: _, model, ...bare } = exchange;
    const { requested } = model;
    return exchange.attempts.map((attempt) => {
      const { tokens, served } = attempt;
      if (tokens === undefined) return attempt;
      const named = { ...(requested !== undefined && { requested }), ...(served !== undefined && { served }) };
      const cost = costOf(asMade({ ...bare, model: named }, { ...attempt, usageSource: "provider" }));
      return cost === undefined ? attempt : Object.freeze({ ...attempt, cost });
    });
  };

  return function price(given) {
    if (given.kind !== "exchange") return given;
    const record = given.attempts.some(hasTokens)
      ? Object.freeze({ ...given, attempts: Object.freeze(charged(given)) })
      : given;
    const cost = costOf(record);
    if (cost === undefined) return record;
    const { cacheSaved: saved } = record;
    if (saved === undefined) return Object.freeze({ ...record, cost });
    const spared = costOf(asMade(record, saved));
    const cacheSaved = spared && "nanoUsd" in spared ? Object.freeze({ ...saved, nanoUsd: spared.nanoUsd }) : saved;
    return Object.freeze({ ...record, cost, cacheSaved });
  };
}

const hasTokens = ({ tokens }: Attempt): boolean => tokens !== undefined;

/** The exchange as it would have been with this answer: without the cache, or without a further try. */
function asMade(
  exchange: Exchange,
  { backend, provider, model, seconds, tokens, media, usageSource }: CacheSaved,
): Exchange {
  const attempt: Attempt = {
    backend,
    provider,
    ...(model !== undefined && { model }),
    spanId: exchange.trace.spanId,
    startedAfter: 0,
    seconds,
    status: 200,
    result: "completed",
  };
  return {
    ...exchange,
    cache: "miss",
    attempts: [attempt],
    ...(tokens && { tokens }),
    ...(media && { media }),
    ...(usageSource && { usageSource }),
  };
}
