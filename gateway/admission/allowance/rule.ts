// A rule: one limit or budget, of one caller or of all, as counters know it.
import type { BudgetPeriod } from "../identity.ts";

/** What is counted. Money is in nano-USD. */
export type Counted = "requests" | "tokens" | "streams" | "money";

/** `minute` slides, the others are calendar periods in UTC; `now` counts what is open. */
type Period = "minute" | "now" | BudgetPeriod;

export type Scope = "key" | "user" | "team" | "model" | "total";

export interface Rule {
  /** Names the counter, here and in every gateway that shares it. */
  readonly id: string;
  readonly counted: Counted;
  readonly period: Period;
  /** Requests, tokens, streams or nano-USD. */
  readonly limit: number;
  /** False: it is counted and told of, but refuses nothing. */
  readonly enforced: boolean;
  readonly scope: Scope;
  /** Whose it is, as a metric label may say it. */
  readonly name: string;
  /** nano-USD from which on a metric warns; only for money. */
  readonly soft: number;
}

/** What a counter is found by, and what counts in it. */
export type Counting = Pick<Rule, "id" | "counted" | "period">;

/** What one request takes, at first by estimate. A request is one request and one stream by itself. */
export interface Amounts {
  readonly tokens: number;
  readonly nanoUsd: number;
}

/** How much of a rule a request takes. */
export function amountOf(rule: Pick<Rule, "counted">, amounts: Amounts): number {
  switch (rule.counted) {
    case "tokens":
      return amounts.tokens;
    case "money":
      return amounts.nanoUsd;
    default:
      return 1;
  }
}
