// What callers may use: one call reserves for a request in every limit and budget that applies, all or nothing.
import type { Exchange, Exporter } from "../../../instrumentation/index.ts";
import { GatewayError } from "../../errors.ts";
import type { Identity } from "../identity.ts";
import type { Ledger, Taken } from "./ledger.ts";
import { OpenReservations } from "./open-reservations.ts";
import { type Plan, plans } from "./plans.ts";
import { correct, type Provision } from "./provision.ts";
import { statedUse } from "./real-use.ts";
import { refusal } from "./refusal.ts";
import { type Reservation, Reserved, type ReservedBy, unlimited } from "./reservation.ts";
import type { Amounts, Rule } from "./rule.ts";
import type { RuleSettings } from "./rules.ts";

export type { Reservation };
export { unlimited };

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

export interface Allowance {
  /**
   * Reserves for one request, at once unless several gateways share their counts. Throws (rejects with) a GatewayError:
   * request_limit, token_limit, concurrency_limit, budget_exceeded, unpriced_model, or limits_away.
   */
  reserve(ask: Ask): Reservation | Promise<Reservation>;
  /** When the exchange of this id is recorded, what it states was used takes the place of what was counted for it. */
  expect(id: string, provision: Provision): void;
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

const expiryMillis = 10_000;

class Reservations implements Allowance, ReservedBy {
  readonly ledger: Ledger;
  readonly wall: () => number;
  #plans: ReturnType<typeof plans>;
  #expireMillis: number;
  readonly #open = new OpenReservations<Reserved>();
  /** Steps of which Redis has not answered yet. */
  readonly #charging = new Set<Promise<void>>();
  /** By the id of the exchange that states what was used. */
  readonly #expected = new Map<string, Provision>();
  readonly #expiring: NodeJS.Timeout;
  readonly exporter: Exporter;

  constructor({ settings, ledger, wall }: AllowanceOptions) {
    this.ledger = ledger;
    this.wall = wall;
    this.#plans = plans(settings);
    this.#expireMillis = settings.limits.expireSeconds * 1000;
    this.#expiring = setInterval(() => this.#expire(), expiryMillis).unref();
    const open = this.#open;
    const expected = this.#expected;
    const correct = this.#correct.bind(this);
    this.exporter = {
      name: "allowance",
      export(record) {
        if (record.kind !== "exchange") return;
        open.get(record.id)?.settle(record);
        if (record.responseId !== undefined) correct(record);
      },
      // However little is known of it: its caller is not to pay with a place for what failed here.
      lost(id, record) {
        if (record?.kind === "exchange") open.get(id)?.settle(record);
        else open.get(id)?.expire();
        if (record?.kind === "exchange") correct(record);
        else expected.delete(id);
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
    this.#open.add(reserved);
    return reserved;
  }

  expect(id: string, provision: Provision): void {
    this.#expected.set(id, provision);
  }

  #correct(exchange: Exchange): void {
    const provision = this.#expected.get(exchange.id);
    if (provision === undefined) return;
    this.#expected.delete(exchange.id);
    correct(this.ledger, provision, statedUse(exchange, provision.amounts), this.wall());
  }

  end(reserved: Reserved): boolean {
    return this.#open.delete(reserved);
  }

  charging(step: Promise<void>): Promise<void> {
    const known = step.finally(() => this.#charging.delete(known));
    this.#charging.add(known);
    return known;
  }

  configure(settings: RuleSettings): void {
    this.#plans = plans(settings, this.#plans.met());
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
    await Promise.allSettled(this.#charging);
    await this.ledger.close();
  }

  #expire(): void {
    const before = this.wall() - this.#expireMillis;
    for (const reserved of this.#open.all()) if (reserved.at <= before && !reserved.lasting) reserved.expire();
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
