// The keys of a running gateway: those of its store and of its configuration, followed as others change them.
import type { FillRandom } from "../../../instrumentation/index.ts";
import type { Config } from "../../config/config.ts";
import type { Redis } from "../../state/redis.ts";
import { copyKeys } from "./copy-keys.ts";
import type { KeyEvent } from "./key-event.ts";
import { keys, type OpenKeys } from "./keys.ts";
import { redisStore } from "./redis-store.ts";
import { holdsKeys, sqliteStore } from "./sqlite-store.ts";

export interface OpenKeysOptions {
  readonly config: Pick<Config, "dataDir" | "keys">;
  /** Where keys are in place of the data folder. */
  readonly redis?: Redis | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly fillRandom: FillRandom;
  /** Told when changes cannot be read, once until they can again; the keys known so far stay in use. */
  readonly failed: (error: unknown) => void;
  /** Told what became of keys in the data folder where Redis is the place of keys; a sentence. */
  readonly warn: (sentence: string) => void;
  /** Told of each change of a key once, whoever made it. */
  readonly told?: (event: KeyEvent) => void;
}

export interface FollowedKeys {
  readonly keys: OpenKeys;
  close(): void;
}

/** What another process did, a revocation above all, is known after so long, within a second in any case. */
const lookMillis = 500;
/** How long a start waits for Redis, milliseconds. */
const patienceMillis = 1_000;

/**
 * Rejects with a DatabaseProblem, whose message is for whoever starts the gateway. Writes nothing where no key was
 * made. Where Redis is away, the gateway starts closed: callers are asked for keys until the process ends, and those
 * whose keys are not declared in the configuration get `keys_away` until Redis was read.
 */
export async function openKeys(options: OpenKeysOptions): Promise<FollowedKeys> {
  const { config, redis, now, fillRandom, failed, warn, told } = options;
  const { dataDir, keys: declared } = config;
  const file = sqliteStore(dataDir);
  const store = redis === undefined ? file : redisStore(redis);
  let isTold = false;
  const tell = (error: unknown) => {
    if (!isTold) failed(error);
    isTold = true;
  };

  let isCopied = redis === undefined;
  const copy = async () => {
    if (isCopied) return;
    for (const sentence of await copyKeys(dataDir, store)) warn(sentence);
    isCopied = true;
  };
  let opened: OpenKeys;
  try {
    const isThere = redis === undefined || (await redis.ready(patienceMillis));
    if (isThere) await copy();
    // Who had keys in the folder means to ask for them, whatever Redis holds.
    const asks = redis !== undefined && holdsKeys(dataDir);
    opened = await keys({
      store,
      now,
      fillRandom,
      declared,
      asks,
      ...(!isThere && { unread: tell }),
      ...(told && { told }),
    });
  } catch (error) {
    file.close();
    throw error;
  }

  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      await copy();
      await opened.refresh();
      isTold = false;
    } catch (error) {
      tell(error);
    }
    looking = false;
  };
  const timer = setInterval(look, lookMillis).unref();
  redis?.onConnected(() => void look());
  return {
    keys: opened,
    close() {
      clearInterval(timer);
      file.close();
    },
  };
}
