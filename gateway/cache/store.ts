// Where cached answers are kept: what the cache needs of memory or Redis, and nothing more.
export interface CacheStore {
  /** What is kept under a key and not too old. A Promise only where it is kept elsewhere; rejects where that is away. */
  get(key: string): Buffer | undefined | Promise<Buffer | undefined>;
  /** Keeps a value that is the caller's no more. A Promise where it is kept elsewhere; rejects where that failed. */
  put(key: string, value: Buffer, ttlSeconds: number): void | Promise<void>;
  /** Takes on another bound; what is kept stays as far as it fits. */
  resize(maxBytes: number): void;
  close(): Promise<void>;
}
