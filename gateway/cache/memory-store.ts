// Keeps cached answers in this process: so many bytes at most, what was not asked for longest goes first.
import type { CacheStore } from "./store.ts";

/** What an entry costs beside its bytes: the map's place, key, record, and the buffer's own header. */
export const overheadBytes = 400;

const sweepMillis = 1_000;
/** Entries looked at in one sweep, so that a big cache holds nothing up. */
const sweptAtOnce = 2_000;

interface Kept {
  readonly value: Buffer;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface MemoryStoreOptions {
  readonly maxBytes: number;
  /** Unix milliseconds. */
  readonly wall: () => number;
}

export class MemoryStore implements CacheStore {
  readonly #wall: () => number;
  #maxBytes: number;
  /** By key; what was asked for last stands last. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #sweep: IterableIterator<[string, Kept]> | undefined;
  readonly #sweeping: NodeJS.Timeout;

  constructor({ maxBytes, wall }: MemoryStoreOptions) {
    this.#maxBytes = maxBytes;
    this.#wall = wall;
    this.#sweeping = setInterval(() => this.sweep(), sweepMillis).unref();
  }

  /** Of all that is kept, its overhead included. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    if (kept.expiresAt <= this.#wall()) {
      this.#bytes -= costOf(kept);
      return undefined;
    }
    this.#kept.set(key, kept);
    return kept.value;
  }

  put(key: string, value: Buffer, ttlSeconds: number): void {
    const kept = { value, expiresAt: this.#wall() + ttlSeconds * 1000 };
    this.#drop(key);
    if (costOf(kept) > this.#maxBytes) return;
    this.#kept.set(key, kept);
    this.#bytes += costOf(kept);
    this.#fit();
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#fit();
  }

  /** Lets go of what is too old, a part of it at a time: what nobody asks for again is not kept for longer either. */
  sweep(): void {
    this.#sweep ??= this.#kept.entries();
    const now = this.#wall();
    for (let at = 0; at < sweptAtOnce; at++) {
      const { done, value } = this.#sweep.next();
      if (done === true) {
        this.#sweep = undefined;
        return;
      }
      const [key, { expiresAt }] = value;
      if (expiresAt <= now) this.#drop(key);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    this.#kept.clear();
    this.#bytes = 0;
  }

  #fit(): void {
    for (const key of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= costOf(kept);
  }
}

const costOf = ({ value }: Kept): number => value.length + overheadBytes;
