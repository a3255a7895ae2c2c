// One request's reservation: counted once, in steps or at its end, whatever becomes of the ledger meanwhile.
import type { Exchange } from "../../../instrumentation/index.ts";
import { GatewayError } from "../../errors.ts";
import type { Holding, Ledger, Taken } from "./ledger.ts";
import type { Provision } from "./provision.ts";
import { rateHeaders } from "./rate-headers.ts";
import { neverSent, realUse } from "./real-use.ts";
import { refusal } from "./refusal.ts";
import type { Amounts, Rule } from "./rule.ts";

export interface Reservation {
  /** Flat: x-ratelimit-limit-requests and its like, as OpenAI words them. */
  readonly headers: readonly string[];
  /**
   * Counts what was used so far, all in all, while the reservation stands for what is still to come. Throws (rejects
   * with) the GatewayError of the limit or budget that has no room left, unpriced_model where a hard budget cannot know
   * what it cost, or limits_away; what was used is counted all the same, once, however it ends.
   */
  charge(used: Used): void | Promise<void>;
  /** What is counted for it while its real usage is not known; absent where nothing is. */
  readonly provision: Provision | undefined;
  /** Puts real usage in the place of the estimate. The exporter does this by itself; a second call does nothing. */
  settle(exchange: Exchange): void;
  /** Its place among what is open is free; all else stands until its end. A second call does nothing. */
  vacate(): void;
  /** Its place is free, and it has used nothing itself, whatever its record will say. A second call does nothing. */
  free(): void;
  /** The request never reached a backend: gives everything back. A second call does nothing. */
  release(): void;
}

/** `undefined` where no price is known. */
export interface Used {
  readonly tokens: number;
  readonly nanoUsd: number | undefined;
}

/** For whoever has no limit and no budget. */
export const unlimited: Reservation = Object.freeze({
  headers: Object.freeze([]),
  charge() {},
  provision: undefined,
  settle() {},
  vacate() {},
  free() {},
  release() {},
});

/** Who keeps the reservations that are open. */
export interface ReservedBy {
  readonly ledger: Ledger;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** True for the first to end it. */
  end(reserved: Reserved): boolean;
  /** Told of a step that takes time; gives it back. */
  charging(step: Promise<void>): Promise<void>;
}

function unpriced(): never {
  throw new GatewayError("unpriced_model");
}

const nothing: Amounts = { tokens: 0, nanoUsd: 0 };
const sum = (a: Amounts, b: Amounts): Amounts => ({ tokens: a.tokens + b.tokens, nanoUsd: a.nanoUsd + b.nanoUsd });
/** What of the one goes beyond the other. */
const less = (a: Amounts, b: Amounts): Amounts =>
  b === nothing ? a : { tokens: Math.max(0, a.tokens - b.tokens), nanoUsd: Math.max(0, a.nanoUsd - b.nanoUsd) };

const isOfUse = ({ counted }: Rule): boolean => counted === "tokens" || counted === "money";

export class Reserved implements Reservation {
  readonly id: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** Never taken for lost. */
  readonly lasting: boolean;
  readonly #by: ReservedBy;
  readonly #holding: Holding;
  readonly #used: readonly number[];
  /** Steps that were counted, or are sure to be. */
  #charged: Amounts = nothing;

  constructor(
    by: ReservedBy,
    { id, lasting = false }: { readonly id: string; readonly lasting?: boolean },
    holding: Holding,
    used: readonly number[],
    at: number,
  ) {
    this.#by = by;
    this.id = id;
    this.lasting = lasting;
    this.#holding = holding;
    this.#used = used;
    this.at = at;
  }

  get headers(): readonly string[] {
    return rateHeaders(this.#holding.rules, this.#used, this.at);
  }

  get provision(): Provision | undefined {
    const { rules, amounts } = this.#holding;
    const counting = rules.filter(isOfUse).map(({ id, counted, period }) => ({ id, counted, period }));
    return counting.length === 0 ? undefined : { rules: counting, amounts, at: this.at };
  }

  charge({ tokens, nanoUsd }: Used): void | Promise<void> {
    const step = this.#charge({ tokens, nanoUsd: nanoUsd ?? this.#charged.nanoUsd });
    const { rules } = this.#holding;
    if (nanoUsd !== undefined || !rules.some(({ counted, enforced }) => counted === "money" && enforced)) return step;
    if (step !== undefined) return step.then(unpriced);
    unpriced();
  }

  #charge(used: Amounts): void | Promise<void> {
    const rules = this.#holding.rules.filter(isOfUse);
    const more = less(used, this.#charged);
    if (rules.length === 0 || (more.tokens === 0 && more.nanoUsd === 0)) return;
    this.#charged = sum(this.#charged, more);
    const taken = this.#by.ledger.take(rules, more);
    if (taken instanceof Promise) return this.#by.charging(this.#lateStep(rules, more, taken));
    this.#step(rules, more, taken);
  }

  /** The session's end does not wait for it, so it is counted here in any case. */
  async #lateStep(rules: readonly Rule[], more: Amounts, taking: Promise<Taken>): Promise<void> {
    let taken: Taken;
    try {
      taken = await taking;
    } catch (error) {
      this.#by.ledger.add(rules, more);
      throw error;
    }
    this.#step(rules, more, taken);
  }

  #step(rules: readonly Rule[], more: Amounts, taken: Taken): void {
    const { ledger, wall } = this.#by;
    if (taken.holding === undefined) {
      // It was used, whether there was room for it or not.
      ledger.add(rules, more);
      throw refusal(rules, taken, more, wall());
    }
    ledger.settle(taken.holding, more);
  }

  settle(exchange: Exchange): void {
    if (neverSent(exchange)) this.release();
    else if (this.#by.end(this)) {
      const used = realUse(exchange, this.#holding.amounts);
      this.#by.ledger.settle(this.#holding, less(used, this.#charged));
    }
  }

  vacate(): void {
    this.#by.ledger.vacate(this.#holding);
  }

  free(): void {
    if (this.#by.end(this)) this.#by.ledger.settle(this.#holding, nothing);
  }

  release(): void {
    if (this.#by.end(this)) this.#by.ledger.release(this.#holding);
  }

  /** Nothing more will be heard of it: what was reserved counts as used. */
  expire(): void {
    if (this.#by.end(this)) this.#by.ledger.settle(this.#holding, this.#holding.amounts);
  }
}
