// What was counted for a request whose use is stated only later, and how the one takes the place of the other then.
import type { Ledger } from "./ledger.ts";
import { periodStart } from "./period.ts";
import type { Amounts, Counting } from "./rule.ts";

/** Plain data, to be kept elsewhere meanwhile. */
export interface Provision {
  /** Those of tokens and of money. */
  readonly rules: readonly Counting[];
  readonly amounts: Amounts;
  /** When it was counted, Unix milliseconds. */
  readonly at: number;
}

/**
 * What was used beyond it counts now; what was counted too much is given back, in those periods that still run. Minutes
 * have forgotten it by themselves.
 */
export function correct(ledger: Ledger, { rules, amounts, at }: Provision, real: Amounts, now: number): void {
  const tokens = real.tokens - amounts.tokens;
  const nanoUsd = real.nanoUsd - amounts.nanoUsd;
  if (tokens > 0 || nanoUsd > 0) ledger.add(rules, { tokens: Math.max(0, tokens), nanoUsd: Math.max(0, nanoUsd) });
  if (tokens >= 0 && nanoUsd >= 0) return;
  const running = rules.filter((rule) => isRunning(rule, at, now));
  if (running.length > 0) ledger.add(running, { tokens: Math.min(0, tokens), nanoUsd: Math.min(0, nanoUsd) });
}

const isRunning = ({ period }: Counting, at: number, now: number): boolean =>
  period !== "minute" && period !== "now" && periodStart(period, at) === periodStart(period, now);
