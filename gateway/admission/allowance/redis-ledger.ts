// The ledger of gateways that share a Redis: each request is one atomic script, and what a dead gateway held is given back.
import { GatewayError } from "../../errors.ts";
import { type Listed, Roll } from "../../roll.ts";
import type { Redis } from "../../state/redis.ts";
import type { Holding, Ledger, Taken } from "./ledger.ts";
import { keyOf, refusedBy, sortOf, ttlOf, usedOf } from "./redis-counter.ts";
import { type Ended, tell, tellPlaces } from "./redis-ending.ts";
import { beat, greet, take } from "./redis-scripts.ts";
import { Settlements } from "./redis-settlements.ts";
import { type Amounts, amountOf, type Counting, type Rule } from "./rule.ts";
import type { RedisLedgerWatch, SharingTrouble } from "./sharing-watch.ts";

export interface RedisLedgerOptions {
  readonly redis: Redis;
  /** Names this process, never another one, e.g. a UUID. */
  readonly gateway: string;
  /** Unix milliseconds; Redis' own clock decides, this one only bridges the time between two answers. */
  readonly wall: () => number;
  /** What to do while Redis is away: let requests pass and count them when it is back, or refuse them. */
  readonly onFailure: "allow" | "refuse";
  readonly watch?: RedisLedgerWatch;
  /** A gateway of which nothing was heard for so long is dead, milliseconds. */
  readonly deadMillis?: number;
}

export interface RedisLedger extends Ledger {
  /** Counts are shared now. */
  readonly up: boolean;
  /** Counters of which Redis is still to be told something. */
  readonly pending: number;
}

const none: Amounts = { tokens: 0, nanoUsd: 0 };

interface Counted<One extends Counting> extends Ended {
  readonly rules: readonly One[];
  /** Under whose name Redis holds it. */
  holder: string | undefined;
  /** It has its place among what is open. */
  isOpen: boolean;
}

interface Held extends Counted<Rule>, Holding, Listed {}

class SharedLedger implements RedisLedger {
  readonly #redis: Redis;
  readonly #options: RedisLedgerOptions;
  readonly #deadMillis: number;
  readonly #settlements: Settlements;
  readonly #open = new Roll<Held>();
  readonly #beating: NodeJS.Timeout;
  #holder: string | undefined = undefined;
  #lastHolder = "";
  #greetings = 0;
  #greeting: Promise<void> = Promise.resolve();
  /** Redis' clock less ours, milliseconds. */
  #ahead = 0;

  constructor(options: RedisLedgerOptions) {
    this.#options = options;
    this.#redis = options.redis;
    this.#deadMillis = options.deadMillis ?? 15_000;
    this.#settlements = new Settlements({
      redis: options.redis,
      gateway: options.gateway,
      holder: () => (this.up ? this.#holder : undefined),
      failed: (error) => this.#troubled("delayed", error),
    });
    this.#redis.onConnected(() => this.#greet());
    this.#beating = setInterval(() => void this.#beat(), this.#deadMillis / 3).unref();
  }

  get up(): boolean {
    return this.#redis.up && this.#holder !== undefined;
  }

  get pending(): number {
    return this.#settlements.size;
  }

  async take(rules: readonly Rule[], amounts: Amounts): Promise<Taken> {
    const holder = this.#holder;
    try {
      return (await this.#take(rules, amounts)) ?? (await this.#takeAnew(holder, rules, amounts));
    } catch (error) {
      return this.#without(rules, amounts, error);
    }
  }

  /** `undefined` where Redis took us for dead. */
  async #take(rules: readonly Rule[], amounts: Amounts): Promise<Taken | undefined> {
    const holder = this.#holder;
    if (holder === undefined) throw new Error("Redis is away.");
    const now = this.#serverNow();
    const keys = rules.map((rule) => keyOf(rule, now));
    // Whoever asks for one thing after another is not to meet its own place of before.
    const open = rules.findIndex(({ period }) => period === "now");
    const place = keys[open];
    if (place !== undefined) await this.#settlements.ahead(place);
    const args = [holder];
    for (const rule of rules) {
      const limit = rule.enforced ? rule.limit : -1;
      args.push(sortOf(rule), String(limit), String(amountOf(rule, amounts)), String(ttlOf(rule, now)));
    }
    const reply = (await this.#redis.run(take, keys, args)) as readonly (number | string)[];
    const [state, time, ...rest] = reply;
    if (state === -1) return undefined;
    this.#ahead = Number(time) - this.#options.wall();
    const used = rules.map((rule, at) => Number(rest[at]) + (state === 1 ? amountOf(rule, amounts) : 0));
    if (state === 0) return refusedBy(rules, used, rest.slice(rules.length).map(Number), Number(time));
    const holding: Held = { rules, amounts, keys, takenAt: Number(time), holder, isOpen: true, place: -1 };
    this.#open.add(holding);
    return { holding, used };
  }

  async #takeAnew(before: string | undefined, rules: readonly Rule[], amounts: Amounts): Promise<Taken> {
    // Of many that were told so at once, the first one greets.
    if (this.#holder === before) this.#greet();
    await this.#greeting;
    const taken = await this.#take(rules, amounts);
    if (taken === undefined) throw new Error("Redis does not keep what it is told.");
    return taken;
  }

  /** The operator's choice. What passes is counted as soon as Redis is back. */
  #without(rules: readonly Rule[], amounts: Amounts, error: unknown): Taken {
    if (this.#options.onFailure === "refuse") {
      this.#troubled("refused", error);
      throw new GatewayError("limits_away");
    }
    this.#troubled("allowed", error);
    const holding: Held = { ...this.#untaken(rules, amounts), place: -1 };
    this.#open.add(holding);
    return { holding, used: [] };
  }

  /** What Redis knows nothing of yet. */
  #untaken<One extends Counting>(rules: readonly One[], amounts: Amounts): Counted<One> {
    const now = this.#serverNow();
    const keys = rules.map((rule) => keyOf(rule, now));
    return { rules, amounts, keys, takenAt: undefined, holder: undefined, isOpen: true };
  }

  add(rules: readonly Counting[], used: Amounts): void {
    this.#end(this.#untaken(rules, none), used, 0);
  }

  vacate(holding: Holding): void {
    const held = holding as Held;
    if (!held.isOpen) return;
    held.isOpen = false;
    tellPlaces(this.#settlements, held, this.#isHeld(held), this.#serverNow());
  }

  settle(holding: Holding, real: Amounts): void {
    this.#over(holding as Held, real, 1);
  }

  release(holding: Holding): void {
    this.#over(holding as Held, none, 0);
  }

  #over(held: Held, real: Amounts, requests: number): void {
    this.#open.delete(held);
    this.#end(held, real, requests);
    held.isOpen = false;
  }

  #end(counted: Counted<Counting>, real: Amounts, requests: number): void {
    tell(this.#settlements, counted, { real, requests, isHeld: this.#isHeld(counted), now: this.#serverNow() });
  }

  #isHeld({ holder }: Counted<Counting>): boolean {
    return holder !== undefined && holder === this.#holder;
  }

  used(rules: readonly Rule[]): Promise<readonly number[]> {
    return usedOf(this.#redis, rules, this.#serverNow());
  }

  async close(): Promise<void> {
    clearInterval(this.#beating);
    await this.#settlements.drained();
    const holder = this.#holder;
    this.#holder = undefined;
    if (holder !== undefined) await this.#redis.run(greet, [], [holder, "", "0"]).catch(() => {});
  }

  /**
   * Says that we are there, under a new name: what may still be under way under the old one counts no more, and what
   * is open is held anew. Commands that follow are understood once it has arrived, which is before them.
   */
  #greet(): void {
    const holder = `${this.#options.gateway}:${++this.#greetings}`;
    const now = this.#serverNow();
    const held = new Map<string, { amount: number; ttl: number }>();
    for (const holding of this.#open.members()) {
      holding.holder = holder;
      holding.rules.forEach((rule, at) => {
        const amount = amountOf(rule, holding.amounts);
        const key = holding.keys[at] as string;
        if (rule.period === "minute" || amount === 0 || (rule.period === "now" && !holding.isOpen)) return;
        held.set(key, { amount: (held.get(key)?.amount ?? 0) + amount, ttl: ttlOf(rule, now) });
      });
    }
    this.#settlements.forgetHeld();
    const args = [this.#lastHolder, holder, String(this.#deadMillis)];
    for (const { amount, ttl } of held.values()) args.push(String(amount), String(ttl));
    this.#holder = holder;
    this.#lastHolder = holder;
    this.#greeting = this.#redis.run(greet, [...held.keys()], args).then(
      (time) => {
        this.#ahead = Number(time) - this.#options.wall();
        this.#settlements.flush();
      },
      (error: unknown) => {
        if (this.#holder === holder) this.#holder = undefined;
        this.#troubled("delayed", error);
      },
    );
  }

  async #beat(): Promise<void> {
    if (!this.#redis.up) return;
    if (this.#holder === undefined) {
      this.#greet();
      return;
    }
    try {
      const known = await this.#redis.run(beat, [], [this.#holder, String(this.#deadMillis)]);
      if (known === 0) this.#greet();
    } catch (error) {
      this.#troubled("delayed", error);
    }
  }

  #serverNow(): number {
    return this.#options.wall() + this.#ahead;
  }

  #troubled(effect: SharingTrouble, error: unknown): void {
    this.#options.watch?.troubled(effect, error);
  }
}

/** Exact across all gateways that share the Redis, since it runs one script at a time. */
export const redisLedger = (options: RedisLedgerOptions): RedisLedger => new SharedLedger(options);
