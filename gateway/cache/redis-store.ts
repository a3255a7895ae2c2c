// Keeps cached answers in the Redis that gateways share; it forgets them by itself.
import type { Redis } from "../state/redis.ts";
import type { CacheStore } from "./store.ts";

/** Another form of entries takes another number, so that gateways of two versions do not meet each other's. */
const prefix = "tollgate:cache:1:";

/** A Redis that takes longer to answer is no help: the request goes on without it. */
const patienceMillis = 250;

export interface RedisStoreOptions {
  readonly redis: Redis;
  /** Larger values are not read back: they were written by another's settings. */
  readonly maxEntryBytes: () => number;
}

export class RedisStore implements CacheStore {
  readonly #options: RedisStoreOptions;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const { redis, maxEntryBytes } = this.#options;
    const reading = redis.callBinary(["GET", prefix + key]);
    const found = await patiently(reading);
    return Buffer.isBuffer(found) && found.length <= maxEntryBytes() ? found : undefined;
  }

  async put(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    const millis = Math.max(1, Math.round(ttlSeconds * 1000));
    await this.#options.redis.call(["SET", prefix + key, value, "PX", String(millis)]);
  }

  /** How much it may hold is Redis's own setting (`maxmemory`, `maxmemory-policy`). */
  resize(): void {}

  close(): Promise<void> {
    return this.#options.redis.close();
  }
}

/** Rejects where it takes too long. What comes after that is nobody's. */
async function patiently<T>(wanted: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis gave no answer for ${patienceMillis} ms.`)), patienceMillis);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}
