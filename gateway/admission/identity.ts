// Who a request comes from, as far as the gateway has proof of it: the one thing that limits and grants are decided by.
import type { Caller } from "../../instrumentation/index.ts";
import type { SystemPrompt } from "../rewrite/system-prompt.ts";

/** What a key may use besides inference; each word is a family of endpoints. */
export type Grant =
  | "files"
  | "uploads"
  | "batches"
  | "fine_tuning"
  | "stored_responses"
  | "vector_stores"
  | "realtime"
  | "other";

/** How often, and how much. Absent: no such limit. */
export interface LimitSettings {
  readonly requestsPerMinute?: number;
  readonly requestsPerDay?: number;
  readonly tokensPerMinute?: number;
  readonly tokensPerDay?: number;
  /** Requests and streams that are open at a time. */
  readonly concurrent?: number;
}

export type BudgetPeriod = "day" | "week" | "month" | "total";

/** Money that may be spent in a period. Past `softRatio` of it only a metric tells; past all of it requests are refused. */
export interface BudgetSettings {
  readonly period: BudgetPeriod;
  /** USD. */
  readonly usd: number;
  /** 0 to 1. */
  readonly softRatio: number;
  /** False: it is only told of, never enforced. */
  readonly hard: boolean;
}

/** A virtual key, without its secret. */
export interface Key {
  /** Stable and public, e.g. `key_3f9a…`; not a part of the secret. */
  readonly id: string;
  readonly label: string;
  readonly user?: string;
  readonly team?: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  /** Exact names and `*` patterns; absent for all. */
  readonly models?: readonly string[];
  readonly grants: readonly Grant[];
  readonly limits: LimitSettings;
  readonly budgets: readonly BudgetSettings[];
  /** In a backend's queue: higher goes first. 0 for an ordinary key. */
  readonly priority: number;
  /** Put into every chat and response under this key, before what a route puts there. */
  readonly systemPrompt?: SystemPrompt;
}

/** Proven, never claimed: a request's `user` field has no place here. */
export interface Identity {
  readonly auth: Caller["auth"];
  readonly key?: Key;
  /** The key's user, or the subject of a verified token. */
  readonly user?: string;
  readonly team?: string;
  /** What else than inference the caller may use, where there is no key to say it. */
  readonly grants?: readonly Grant[];
  /** In a backend's queue: higher goes first. */
  readonly priority: number;
}

/** Whose data must not mix with another's: one key, else one user, else all who came without proof. */
export const tenantOf = ({ key, user }: Identity): string =>
  key !== undefined ? `key:${key.id}` : user !== undefined ? `user:${user}` : "anonymous";

export const anonymous: Identity = Object.freeze({ auth: "none", priority: 0 });
