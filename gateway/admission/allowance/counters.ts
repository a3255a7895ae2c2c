// The counters that stand in this process's memory, one for each rule that someone used lately.
import { streamWaitMillis } from "./ledger.ts";
import { periodEnd } from "./period.ts";
import type { Counting } from "./rule.ts";
import { SlidingMinute } from "./window.ts";

/** What a rule's counter does, whatever it counts. Times are Unix milliseconds. */
export interface Counter {
  used(now: number): number;
  /** Counts a reservation. */
  hold(amount: number, now: number): void;
  /** Puts `real` in the place of what was held at the second `at`. */
  settle(held: number, real: number, at: number, now: number): void;
  /** Milliseconds until `amount` fits below `limit`; without end where it never will. */
  waitFor(amount: number, limit: number, now: number): number;
  /** Nothing is in it that anyone could miss. */
  idle(now: number): boolean;
}

/** Of the last minute. A reservation ages as it was counted; what was used beyond it is counted when that is known. */
export class MinuteCounter implements Counter {
  readonly #window = new SlidingMinute();

  used(now: number): number {
    return this.#window.used(now);
  }

  hold(amount: number, now: number): void {
    this.#window.add(amount, now);
  }

  settle(held: number, real: number, at: number, now: number): void {
    if (real > held) this.#window.add(real - held, now);
    else if (real < held) this.#window.takeBack(held - real, at, now);
  }

  waitFor(amount: number, limit: number, now: number): number {
    return this.#window.waitFor(this.#window.used(now) + amount - limit, now);
  }

  idle(now: number): boolean {
    return this.#window.used(now) === 0;
  }
}

/** Of one calendar period. What is reserved in it is settled in it, however late. */
export class PeriodCounter implements Counter {
  readonly id: string;
  readonly start: number;
  readonly end: number;
  /** What is written down of it is among it. */
  isRead = false;
  #spent = 0;
  #written = 0;
  #held = 0;

  constructor({ id, period }: Counting, start: number) {
    this.id = id;
    this.start = start;
    this.end = period === "minute" || period === "now" ? Number.POSITIVE_INFINITY : periodEnd(period, start);
  }

  used(): number {
    return this.#spent + this.#held;
  }

  /** What was spent here and is not written down. */
  get unwritten(): number {
    return this.#spent - this.#written;
  }

  /** Told what is written down: by all, and before this counter was there. */
  read(total: number): void {
    this.#spent = total + this.unwritten;
    this.#written = total;
    this.isRead = true;
  }

  /** Told that all is written down, and what that makes. */
  wrote(total: number): void {
    this.#written = this.#spent;
    this.read(total);
  }

  hold(amount: number): void {
    this.#held += amount;
  }

  settle(held: number, real: number): void {
    this.#held -= held;
    // Who was killed before it wrote down what is given back now has counted nothing.
    this.#spent = real < 0 ? Math.max(0, this.#spent + real) : this.#spent + real;
  }

  waitFor(_amount: number, _limit: number, now: number): number {
    return this.end - now;
  }

  idle(now: number): boolean {
    return now >= this.end && this.#held === 0;
  }
}

/** What is open now. */
export class OpenCounter implements Counter {
  #open = 0;

  used(): number {
    return this.#open;
  }

  hold(amount: number): void {
    this.#open += amount;
  }

  settle(held: number): void {
    this.#open -= held;
  }

  waitFor(): number {
    return streamWaitMillis;
  }

  idle(): boolean {
    return this.#open === 0;
  }
}
