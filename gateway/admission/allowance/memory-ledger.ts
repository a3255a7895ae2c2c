// The ledger of one process alone: counters in memory, and spending written down where it is to outlive the process.
import { setTimeout as wait } from "node:timers/promises";
import { type Counter, MinuteCounter, OpenCounter, PeriodCounter } from "./counters.ts";
import type { Holding, Ledger, Taken } from "./ledger.ts";
import { periodStart } from "./period.ts";
import { type Amounts, amountOf, type Counting, type Rule } from "./rule.ts";
import type { SpendingStore } from "./spending.ts";

export interface MemoryLedgerOptions {
  /** Unix milliseconds. */
  readonly wall: () => number;
  readonly store: SpendingStore;
  /** Told where spending could not be written down; it is tried again. */
  readonly failed?: (error: unknown) => void;
  /** How long spending may wait to be written down, milliseconds: so much is lost when the process is killed. */
  readonly writeMillis?: number;
}

/** Amounts of nothing at all. */
const nothing: Amounts = { tokens: 0, nanoUsd: 0 };
const sweepMillis = 60_000;
/** How often what could not be written is tried at the end. */
const lastTries = 20;
/** Spending of periods that are longer past than any that may still be settled, or asked for. */
const keptMillis = 62 * 86_400_000;

interface Held extends Holding {
  readonly counters: readonly Counter[];
  readonly takenAt: number;
  /** It has its place among what is open. */
  isOpen: boolean;
}

class MemoryLedger implements Ledger {
  readonly #wall: () => number;
  readonly #store: SpendingStore;
  readonly #failed: (error: unknown) => void;
  readonly #writeMillis: number;
  readonly #retryMillis: number;
  readonly #counters = new Map<string, Counter>();
  readonly #unwritten = new Set<PeriodCounter>();
  #writing: NodeJS.Timeout | undefined = undefined;
  /** A store that failed is not asked again before, Unix milliseconds: each time may take a while. */
  #readFrom = 0;
  readonly #sweeping: NodeJS.Timeout;

  constructor({ wall, store, failed = () => {}, writeMillis = 100 }: MemoryLedgerOptions) {
    this.#wall = wall;
    this.#store = store;
    this.#failed = failed;
    this.#writeMillis = writeMillis;
    this.#retryMillis = 10 * writeMillis;
    this.#sweeping = setInterval(() => this.#sweep(), sweepMillis).unref();
  }

  take(rules: readonly Rule[], amounts: Amounts): Taken {
    const now = this.#wall();
    const counters: Counter[] = [];
    const used: number[] = [];
    let refusing: Rule | undefined;
    let waitMillis = 0;
    for (const rule of rules) {
      const counter = this.#counter(rule, now);
      const amount = amountOf(rule, amounts);
      const present = counter.used(now);
      counters.push(counter);
      used.push(present + amount);
      if (!rule.enforced || present + amount <= rule.limit) continue;
      const wait = amount > rule.limit ? Number.POSITIVE_INFINITY : counter.waitFor(amount, rule.limit, now);
      if (refusing !== undefined && wait <= waitMillis) continue;
      refusing = rule;
      waitMillis = wait;
    }
    if (refusing !== undefined) {
      for (let at = 0; at < rules.length; at++) used[at] = counters[at]?.used(now) ?? 0;
      return { holding: undefined, used, refusing, waitMillis };
    }
    for (let at = 0; at < rules.length; at++) counters[at]?.hold(amountOf(rules[at] as Rule, amounts), now);
    const holding: Held = { rules, amounts, counters, takenAt: now, isOpen: true };
    return { holding, used };
  }

  vacate(holding: Holding): void {
    const held = holding as Held;
    if (!held.isOpen) return;
    held.isOpen = false;
    for (const counter of held.counters) if (counter instanceof OpenCounter) counter.settle(1);
  }

  settle(holding: Holding, real: Amounts): void {
    this.#end(holding as Held, real, 1);
  }

  release(holding: Holding): void {
    this.#end(holding as Held, nothing, 0);
  }

  #end(ended: Held, real: Amounts, requests: number): void {
    const { rules, amounts, counters, takenAt, isOpen } = ended;
    ended.isOpen = false;
    const now = this.#wall();
    const second = Math.floor(takenAt / 1000);
    for (let at = 0; at < rules.length; at++) {
      const rule = rules[at] as Rule;
      if (rule.period === "now" && !isOpen) continue;
      const held = amountOf(rule, amounts);
      const spent = rule.counted === "requests" ? requests : amountOf(rule, real);
      // An idle minute's counter may have been swept away meanwhile; a period's own one holds what was reserved in it.
      const counter = rule.period === "minute" ? this.#counter(rule, now) : (counters[at] as Counter);
      counter.settle(held, spent, second, now);
      if (counter instanceof PeriodCounter && spent > 0) this.#write(counter);
    }
  }

  add(rules: readonly Counting[], used: Amounts): void {
    const now = this.#wall();
    for (const rule of rules) {
      if (rule.counted === "requests" || rule.counted === "streams") continue;
      const counter = this.#counter(rule, now);
      counter.settle(0, amountOf(rule, used), 0, now);
      if (counter instanceof PeriodCounter) this.#write(counter);
    }
  }

  used(rules: readonly Rule[]): readonly number[] {
    const now = this.#wall();
    return rules.map((rule) => this.#counter(rule, now).used(now));
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    this.#writeNow();
    for (let left = lastTries; left > 0 && this.#unwritten.size > 0; left--) {
      clearTimeout(this.#writing);
      await wait(this.#writeMillis);
      this.#writeNow();
    }
    clearTimeout(this.#writing);
  }

  #counter(rule: Counting, now: number): Counter {
    const found = this.#counters.get(rule.id);
    const counter =
      found === undefined || (found instanceof PeriodCounter && now >= found.end) ? newCounter(rule, now) : found;
    if (counter !== found) this.#counters.set(rule.id, counter);
    if (counter instanceof PeriodCounter && !counter.isRead && now >= this.#readFrom) this.#read(counter, now);
    return counter;
  }

  #read(counter: PeriodCounter, now: number): void {
    try {
      counter.read(this.#store.read(counter.id, counter.start));
    } catch (error) {
      this.#readFrom = now + this.#retryMillis;
      this.#failed(error);
    }
  }

  #write(counter: PeriodCounter): void {
    this.#unwritten.add(counter);
    this.#writing ??= setTimeout(() => this.#writeNow(), this.#writeMillis).unref();
  }

  #writeNow(): void {
    this.#writing = undefined;
    if (this.#unwritten.size === 0) return;
    const rows = Array.from(this.#unwritten, ({ id, start, unwritten }) => ({ id, start, used: unwritten }));
    try {
      const totals = this.#store.add(rows);
      let at = 0;
      for (const counter of this.#unwritten) counter.wrote(totals[at++] as number);
      this.#unwritten.clear();
    } catch (error) {
      this.#failed(error);
      this.#writing = setTimeout(() => this.#writeNow(), this.#retryMillis).unref();
    }
  }

  #sweep(): void {
    const now = this.#wall();
    for (const [id, counter] of this.#counters) if (counter.idle(now)) this.#counters.delete(id);
    try {
      this.#store.prune(now - keptMillis);
    } catch (error) {
      this.#failed(error);
    }
  }
}

function newCounter(rule: Counting, now: number): Counter {
  if (rule.period === "minute") return new MinuteCounter();
  if (rule.period === "now") return new OpenCounter();
  return new PeriodCounter(rule, periodStart(rule.period, now));
}

/** Everything at once and exact, since nobody else runs between two statements. */
export const memoryLedger = (options: MemoryLedgerOptions): Ledger => new MemoryLedger(options);
