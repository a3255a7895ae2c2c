// The response cache: keeps answers under the present settings, and nothing at all where there are none.
import type { CacheSettings, Config } from "../config/config.ts";
import { redis } from "../state/redis.ts";
import { decoded, type Entry, encoded } from "./entry.ts";
import { Flights } from "./flights.ts";
import { MemoryStore } from "./memory-store.ts";
import { RedisStore } from "./redis-store.ts";
import type { CacheStore } from "./store.ts";

export type CacheConfig = Pick<Config, "cache" | "redis">;

export interface CacheOptions {
  /** What it begins with. */
  readonly config: CacheConfig;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** Told of each time that the store, or the cache itself, failed; the traffic goes on without it. */
  readonly failed: (error: unknown) => void;
}

export class ResponseCache {
  readonly options: CacheOptions;
  readonly flights = new Flights();
  #settings: CacheSettings | undefined;
  #store: CacheStore | undefined;

  constructor(options: CacheOptions) {
    this.options = options;
    this.configure(options.config);
  }

  /** `undefined`: there is no cache. */
  get settings(): CacheSettings | undefined {
    return this.#settings;
  }

  /**
   * Takes on settings. What is kept stays, unless there is to be no cache any more, or another store. Throws where that
   * cannot be opened, and is as it was.
   */
  configure({ cache: settings, redis }: CacheConfig): void {
    if (settings?.store !== this.#settings?.store) {
      const opened = settings && this.#opened(settings, redis?.url);
      this.#store?.close().catch(this.options.failed);
      this.#store = opened;
    }
    this.#settings = settings;
    if (settings !== undefined) this.#store?.resize(settings.maxBytes);
  }

  /** Throws, or rejects, where the store is away. What is no answer is told of, and is none. */
  read(key: string): Entry | undefined | Promise<Entry | undefined> {
    const found = this.#store?.get(key);
    return found instanceof Promise ? found.then((bytes) => this.#entryIn(bytes)) : this.#entryIn(found);
  }

  #entryIn(bytes: Buffer | undefined): Entry | undefined {
    if (bytes === undefined) return undefined;
    try {
      return decoded(bytes);
    } catch (error) {
      this.options.failed(error);
      return undefined;
    }
  }

  /** Never throws; a failure is told of. */
  write(key: string, entry: Entry): void {
    const { failed } = this.options;
    try {
      if (this.#settings === undefined || this.#store === undefined) return;
      const value = encoded(entry);
      if (value.length > this.#settings.maxEntryBytes) return;
      this.#store.put(key, value, this.#settings.ttl)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  async close(): Promise<void> {
    this.#settings = undefined;
    const store = this.#store;
    this.#store = undefined;
    await store?.close();
  }

  /** Redis is reached at the address that was configured when it was first wanted. */
  #opened({ store, maxBytes, maxEntryBytes }: CacheSettings, url: string | undefined): CacheStore {
    const { wall, failed } = this.options;
    if (store === "memory" || url === undefined) return new MemoryStore({ maxBytes, wall });
    return new RedisStore({
      redis: redis({ url, failed }),
      maxEntryBytes: () => this.#settings?.maxEntryBytes ?? maxEntryBytes,
    });
  }
}
