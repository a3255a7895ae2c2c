// What a typical request costs at a target, for routes that prefer the cheapest.
import type { PriceRule } from "../../instrumentation/index.ts";
import { quotes } from "../admission/allowance/quotes.ts";
import type { Target } from "./route.ts";

/** USD; `undefined` where no price is known. `model`: as the client wrote it, for targets that rename nothing. */
export type AskingPrice = (target: Target, model: string | undefined) => number | undefined;

/**
 * As much read as made: what is typical differs, but only the order matters. One of everything, since a model charges
 * for what it deals in and for nothing else.
 */
const typical = {
  operation: "chat",
  input: 1_000,
  output: 1_000,
  media: { images: 1, characters: 1_000, audioSeconds: 60 },
} as const;

/** Prices depend on the hour at some providers; asking at each request would cost some µs a target. */
const freshMillis = 60_000;

interface Known {
  readonly model: string;
  readonly at: number;
  readonly usd: number | undefined;
}

/** By the operator's rules, then the price list. `wall` is Unix milliseconds. Targets are held weakly. */
export function askingPrice(rules: readonly PriceRule[], wall: () => number): AskingPrice {
  const quote = quotes(rules);
  const lately = new WeakMap<Target, Known>();
  return (target, requested) => {
    const model = target.model ?? requested;
    if (model === undefined) return undefined;
    const at = wall();
    const known = lately.get(target);
    if (known !== undefined && known.model === model && at - known.at < freshMillis) return known.usd;
    const nanoUsd = quote({ ...typical, model: requested ?? model, targets: [target] }, at);
    const usd = nanoUsd === undefined ? undefined : nanoUsd / 1e9;
    lately.set(target, { model, at, usd });
    return usd;
  };
}
