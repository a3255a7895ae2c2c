// What an operator can set about limits and budgets, beside what each key carries itself.
import type { BudgetSettings, LimitSettings } from "../identity.ts";

export interface RateLimitSettings {
  /** Of each key, where the key does not say otherwise; of each user who has no key; of all anonymous callers together. */
  readonly default: LimitSettings;
  /** Of each user, over all the user's keys. */
  readonly perUser: LimitSettings;
  /** Of each model, or all models of a pattern together, over all callers. The first that matches counts. */
  readonly perModel: readonly ModelLimitSettings[];
  /** Of all callers together. */
  readonly total: LimitSettings;
  /** What a request that sets no maximum is taken to be answered with, tokens. */
  readonly outputTokens: number;
  /** A reservation of which nothing more was heard is settled as it stands after this time, seconds. */
  readonly expireSeconds: number;
}

interface ModelLimitSettings extends LimitSettings {
  /** Exact name or `*` pattern. */
  readonly model: string;
}

/** A budget given in the configuration. */
export interface BudgetRule extends BudgetSettings {
  readonly scope: "key" | "user" | "team";
  /** A key's id or label, a user, a team; `*` for each that no other rule of this scope and period names. */
  readonly name: string;
}
