// What answers have cost that no client got: another backend was asked in their place, and theirs charge all the same.
import type { Attempt, Exchange } from "./exchange.ts";

/** An attempt with an answer that was discarded, at a known price. */
export interface Discarded {
  readonly attempt: Attempt;
  /** `tokens` of input and output together. */
  readonly tokens: number;
  /** `input`, `output`, `other` and their sum; `undefined` where no price is known. */
  readonly cost: Extract<Exchange["cost"], { readonly nanoUsd: number }> | undefined;
}

const none: readonly Discarded[] = [];

/** Those of an exchange, after it was priced; nearly always none. */
export function discarded({ attempts }: Pick<Exchange, "attempts">): readonly Discarded[] {
  // What was tried once has nothing that came in its place.
  if (attempts.length < 2) return none;
  const found: Discarded[] = [];
  for (const attempt of attempts) {
    const { tokens, cost } = attempt;
    if (tokens === undefined) continue;
    found.push({
      attempt,
      tokens: (tokens.input ?? 0) + (tokens.output ?? 0),
      cost: cost === undefined || cost.status === "unpriced" ? undefined : cost,
    });
  }
  return found;
}

/** Nano-USD of all of them; 0 where there are none. */
export function discardedNanoUsd(exchange: Pick<Exchange, "attempts">): number {
  let sum = 0;
  for (const { cost } of discarded(exchange)) sum += cost?.nanoUsd ?? 0;
  return sum;
}
