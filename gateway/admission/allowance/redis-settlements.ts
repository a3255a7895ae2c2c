// Settlements on their way to Redis: gathered by counter, sent one lot at a time, and counted once however often they are sent.
import type { Redis } from "../../state/redis.ts";
import { settle } from "./redis-scripts.ts";

/** The form of a counter in Redis. */
export type Sort = "minute" | "period" | "open";

interface Entry {
  readonly key: string;
  readonly sort: Sort;
  /** No longer held. */
  held: number;
  used: number;
  /** For a minute: the second in which it was counted; -1 for now. */
  readonly second: number;
  readonly ttlMillis: number;
}

export interface SettlementsOptions {
  readonly redis: Redis;
  /** Names this process, never another one. */
  readonly gateway: string;
  /** Who holds the reservations now; `undefined` while Redis is away. */
  readonly holder: () => string | undefined;
  readonly failed: (error: unknown) => void;
}

/** Counters in one lot: so many take Redis about a millisecond. */
const lot = 500;
const againMillis = 1_000;

/** While Redis is away they add up: as many entries as counters, however many requests. */
export class Settlements {
  readonly #options: SettlementsOptions;
  #waiting = new Map<string, Entry>();
  #sent: Entry[] = [];
  #number = 0;
  #sending: Promise<void> | undefined = undefined;
  #planned = false;
  #again: NodeJS.Timeout | undefined = undefined;

  constructor(options: SettlementsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size + this.#sent.length;
  }

  add(key: string, sort: Sort, change: { held: number; used: number; second?: number; ttlMillis?: number }): void {
    const { held, used, second = -1, ttlMillis = 0 } = change;
    if (held === 0 && used === 0) return;
    const name = second < 0 ? key : `${key} ${second}`;
    const found = this.#waiting.get(name);
    if (found === undefined) this.#waiting.set(name, { key, sort, held, used, second, ttlMillis });
    else {
      found.held += held;
      found.used += used;
    }
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.flush();
    });
  }

  /** Nobody holds anything any more under the old name: what was used still counts. */
  forgetHeld(): void {
    for (const entry of this.#waiting.values()) entry.held = 0;
    for (const entry of this.#sent) entry.held = 0;
  }

  flush(): void {
    if (this.#sending !== undefined || this.size === 0 || this.#options.holder() === undefined) return;
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined;
      if (this.#sent.length === 0) this.flush();
    });
  }

  /** Redis knows what waited for this counter, unless it cannot be told now. A lot that is on its way comes first. */
  async ahead(key: string): Promise<void> {
    for (let lots = 0; lots < 2 && this.#waiting.has(key); lots += 1) {
      this.flush();
      await this.#sending;
    }
  }

  /** Resolves when everything is told, or cannot be. */
  async drained(): Promise<void> {
    clearTimeout(this.#again);
    for (this.flush(); this.#sending !== undefined && this.size > 0; ) await this.#sending;
  }

  async #send(): Promise<void> {
    const { redis, gateway, holder, failed } = this.#options;
    // A lot that was sent before keeps its number and its entries: it may have arrived.
    if (this.#sent.length === 0) {
      this.#number += 1;
      for (const [name, entry] of this.#waiting) {
        this.#sent.push(entry);
        this.#waiting.delete(name);
        if (this.#sent.length >= lot) break;
      }
    }
    const args = [gateway, String(this.#number), holder() ?? ""];
    for (const { sort, held, used, second, ttlMillis } of this.#sent) {
      args.push(sort, String(held), String(used), String(second), String(ttlMillis));
    }
    try {
      await redis.run(
        settle,
        this.#sent.map(({ key }) => key),
        args,
      );
      this.#sent = [];
    } catch (error) {
      failed(error);
      // A connection that broke greets anew and flushes then; this is for a Redis that is there and refuses.
      this.#again = setTimeout(() => this.flush(), againMillis).unref();
    }
  }
}
