// What callers may use: one call reserves for a request in every limit and budget that applies, all or nothing.
import type { Exchange, Exporter } from "../../../instrumentation/index.ts";
import { GatewayError } from "../../errors.ts";
import type { Identity } from "../identity.ts";
import type { Holding, Ledger, Taken } from "./ledger.ts";
import { type Plan, plans } from "./plans.ts";
import { rateHeaders } from "./rate-headers.ts";
import { neverSent, realUse } from "./real-use.ts";
import { refusal } from "./refusal.ts";
import type { Amounts, Rule } from "./rule.ts";
import type { RuleSettings } from "./rules.ts";

/** What a request is about to use. May be an object that finds the figures out only when they are read. */
export interface Ask {
  /** The exchange's id: under it the reservation is settled. */
  readonly id: string;
  readonly identity: Identity;
  readonly model: string | undefined;
  /** Input and output; 0 where the operation uses none. Read at most once, and only where a limit applies. */
  readonly estimatedTokens: number;
  /** 0 where the operation costs nothing, `undefined` where no price is known. Read at most once, and only where a budget applies. */
  readonly estimatedNanoUsd: number | undefined;
  /** Open for as long as both ends like: it is sure to be settled, and never taken for lost. */
  readonly lasting?: boolean;
}

export interface Reservation {
  /** Flat: x-ratelimit-limit-requests and its like, as OpenAI words them. */
  readonly headers: readonly string[];
  /**
   * Counts what was used so far, all in all, while the reservation stands for what is still to come. Throws (rejects
   * with) the GatewayError of the limit or budget that has no room left; what was used is counted all the same.
   */
  charge(used: Amounts): void | Promise<void>;
  /** Puts real usage in the place of the estimate. The exporter does this by itself; a second call does nothing. */
  settle(exchange: Exchange): void;
  /** The request never reached a backend: gives everything back. A second call does nothing. */
  release(): void;
}

export interface Allowance {
  /**
   * Reserves for one request, at once unless several gateways share their counts. Throws (rejects with) a GatewayError:
   * request_limit, token_limit, concurrency_limit, budget_exceeded, unpriced_model, or limits_away.
   */
  reserve(ask: Ask): Reservation | Promise<Reservation>;
  /** Settles each reservation when its exchange is recorded. Stands behind the price processor. */
  readonly exporter: Exporter;
  /** Takes on other limits and budgets; what is counted stays counted. */
  configure(settings: RuleSettings): void;
  /** How much of each rule that was met is used now; nothing where that cannot be known. */
  standing(): Promise<readonly Standing[]>;
  /** Reservations that are neither settled nor given back. */
  readonly open: number;
  /** Writes down what is to outlive the process. */
  close(): Promise<void>;
}

export interface Standing {
  readonly rule: Rule;
  readonly used: number;
}

export interface AllowanceOptions {
  readonly settings: RuleSettings;
  readonly ledger: Ledger;
  /** Unix milliseconds. */
  readonly wall: () => number;
}

/** For whoever has no limit and no budget. */
export const unlimited: Reservation = Object.freeze({
  headers: Object.freeze([]),
  charge() {},
  settle() {},
  release() {},
});

const expiryMillis = 10_000;

const nothing: Amounts = { tokens: 0, nanoUsd: 0 };
const sum = (a: Amounts, b: Amounts): Amounts => ({ tokens: a.tokens + b.tokens, nanoUsd: a.nanoUsd + b.nanoUsd });
/** What of the one goes beyond the other. */
const less = (a: Amounts, b: Amounts): Amounts =>
  b === nothing ? a : { tokens: Math.max(0, a.tokens - b.tokens), nanoUsd: Math.max(0, a.nanoUsd - b.nanoUsd) };

class Reserved implements Reservation {
  readonly id: string;
  readonly at: number;
  readonly lasting: boolean;
  readonly #of: Reservations;
  readonly #holding: Holding;
  readonly #used: readonly number[];
  #charged: Amounts = nothing;

  constructor(of: Reservations, { id, lasting = false }: Ask, holding: Holding, used: readonly number[], at: number) {
    this.#of = of;
    this.id = id;
    this.lasting = lasting;
    this.#holding = holding;
    this.#used = used;
    this.at = at;
  }

  get headers(): readonly string[] {
    return rateHeaders(this.#holding.rules, this.#used, this.at);
  }

  charge(used: Amounts): void | Promise<void> {
    const rules = this.#holding.rules.filter(({ counted }) => counted === "tokens" || counted === "money");
    const more = less(used, this.#charged);
    if (rules.length === 0 || (more.tokens === 0 && more.nanoUsd === 0)) return;
    this.#charged = sum(this.#charged, more);
    const taken = this.#of.ledger.take(rules, more);
    return taken instanceof Promise ? this.#lateCharge(rules, more, taken) : this.#count(rules, more, taken);
  }

  async #lateCharge(rules: readonly Rule[], more: Amounts, taking: Promise<Taken>): Promise<void> {
    let taken: Taken;
    try {
      taken = await taking;
    } catch (error) {
      // Not counted now, but in the end.
      this.#charged = less(this.#charged, more);
      throw error;
    }
    await this.#count(rules, more, taken);
  }

  #count(rules: readonly Rule[], more: Amounts, taken: Taken): void | Promise<void> {
    const { ledger } = this.#of;
    if (taken.holding !== undefined) return ledger.settle(taken.holding, more);
    const error = refusal(rules, taken, more, this.#of.wall());
    const settle = ({ holding }: Taken) => {
      if (holding !== undefined) ledger.settle(holding, more);
      throw error;
    };
    // It was used, whether there was room for it or not.
    const unasked = rules.map((rule) => ({ ...rule, enforced: false }));
    const forced = ledger.take(unasked, more);
    return forced instanceof Promise ? forced.then(settle) : settle(forced);
  }

  settle(exchange: Exchange): void {
    if (neverSent(exchange)) this.release();
    else if (this.#of.end(this)) {
      const used = realUse(exchange, this.#holding.amounts);
      this.#of.ledger.settle(this.#holding, less(used, this.#charged));
    }
  }

  release(): void {
    if (this.#of.end(this)) this.#of.ledger.release(this.#holding);
  }

  /** Nothing more will be heard of it: what was reserved counts as used. */
  expire(): void {
    if (this.#of.end(this)) this.#of.ledger.settle(this.#holding, this.#holding.amounts);
  }
}

class Reservations implements Allowance {
  readonly ledger: Ledger;
  readonly wall: () => number;
  #plans: ReturnType<typeof plans>;
  #expireMillis: number;
  /** By exchange, the oldest first. */
  readonly #open = new Map<string, Reserved>();
  readonly #expiring: NodeJS.Timeout;
  readonly exporter: Exporter;

  constructor({ settings, ledger, wall }: AllowanceOptions) {
    this.ledger = ledger;
    this.wall = wall;
    this.#plans = plans(settings);
    this.#expireMillis = settings.limits.expireSeconds * 1000;
    this.#expiring = setInterval(() => this.#expire(), expiryMillis).unref();
    const open = this.#open;
    this.exporter = {
      name: "allowance",
      export(record) {
        if (record.kind === "exchange") open.get(record.id)?.settle(record);
      },
      // The last exporter to be told of a record is the last to know what was used.
      shutdown: () => this.close(),
    };
  }

  get open(): number {
    return this.#open.size;
  }

  reserve(ask: Ask): Reservation | Promise<Reservation> {
    const { identity, model } = ask;
    const plan = this.#plans.planOf(identity, model);
    if (plan.rules.length === 0) return unlimited;
    const amounts = amountsOf(ask, plan);
    const taken = this.ledger.take(plan.rules, amounts);
    return taken instanceof Promise
      ? taken.then((settled) => this.#reserved(ask, plan, amounts, settled))
      : this.#reserved(ask, plan, amounts, taken);
  }

  #reserved(ask: Ask, { rules }: Plan, amounts: Amounts, taken: Taken): Reservation {
    const now = this.wall();
    if (taken.holding === undefined) throw refusal(rules, taken, amounts, now);
    const reserved = new Reserved(this, ask, taken.holding, taken.used, now);
    this.#open.set(ask.id, reserved);
    return reserved;
  }

  /** True for the first to end it. */
  end(reserved: Reserved): boolean {
    return this.#open.get(reserved.id) === reserved && this.#open.delete(reserved.id);
  }

  configure(settings: RuleSettings): void {
    this.#plans = plans(settings);
    this.#expireMillis = settings.limits.expireSeconds * 1000;
  }

  async standing(): Promise<readonly Standing[]> {
    const rules = this.#plans.rules();
    if (rules.length === 0) return [];
    const used = await this.ledger.used(rules);
    return rules.map((rule, at) => ({ rule, used: used[at] ?? 0 }));
  }

  async close(): Promise<void> {
    clearInterval(this.#expiring);
    await this.ledger.close();
  }

  #expire(): void {
    const before = this.wall() - this.#expireMillis;
    for (const reserved of this.#open.values()) {
      if (reserved.at > before) return;
      if (!reserved.lasting) reserved.expire();
    }
  }
}

function amountsOf(ask: Ask, { priced, hard }: Plan): Amounts {
  const tokens = Math.ceil(ask.estimatedTokens);
  if (!priced) return { tokens, nanoUsd: 0 };
  const nanoUsd = ask.estimatedNanoUsd;
  if (nanoUsd === undefined && hard) throw new GatewayError("unpriced_model");
  return { tokens, nanoUsd: Math.ceil(nanoUsd ?? 0) };
}

/** Counts what callers use by the settings' rules; where it is counted is the ledger's affair. */
export const allowance = (options: AllowanceOptions): Allowance => new Reservations(options);
