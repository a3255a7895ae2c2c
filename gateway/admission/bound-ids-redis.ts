// Bound ids in a Redis that several gateways share, with those that were used last at hand.
import { GatewayError } from "../errors.ts";
import type { Redis, RedisScript } from "../state/redis.ts";
import { type BoundIds, fadingMillis, fadingPrefixes, longestId, type Owner } from "./bound-ids.ts";

export interface RedisIdsOptions {
  readonly redis: Redis;
  /** Told when ids could not be written or read, once until they can be again. */
  readonly failed: (error: unknown) => void;
  /** Ids that wait for Redis, at most; the oldest give way. */
  readonly maxWaiting?: number;
  /** Owners kept at hand, at most; those used longest ago give way. */
  readonly maxRemembered?: number;
}

const retryMillis = 1_000;
/** Ids written together after Redis was away. */
const batch = 500;

/** Binds an id that is nobody's; gives whose it is now. KEYS: the id's. ARGV: owner, seconds to live (0: for good). */
const bindIfFree: RedisScript = {
  text: `
local had = redis.call('GET', KEYS[1])
if had then return had end
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return ARGV[1]
`,
};

interface Waiting {
  readonly owner: Owner;
  readonly isNew: boolean;
}

/**
 * `find` gives a Promise for what is not at hand; it rejects with a GatewayError (503) where Redis cannot be asked.
 * While Redis is away, what was bound here meanwhile is known here; it is written when Redis is back.
 */
export function redisIds({ redis, failed, maxWaiting = 100_000, maxRemembered = 10_000 }: RedisIdsOptions): BoundIds {
  const remembered = new Map<string, Owner>();
  const waiting = new Map<string, Waiting>();
  let retries = false;
  let isTold = false;
  let flushing = false;

  const remember = (id: string, owner: Owner) => {
    remembered.delete(id);
    remembered.set(id, owner);
    if (remembered.size <= maxRemembered) return;
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  };

  const tell = (error: unknown) => {
    if (!isTold) failed(error);
    isTold = true;
  };

  const send = async (id: string, entry: Waiting): Promise<void> => {
    const { owner, isNew } = entry;
    const [key, text, seconds] = [keyOf(id), textOf(owner), secondsOf(id)];
    const expiry = seconds === 0 ? [] : ["EX", String(seconds)];
    try {
      let whose: Owner | undefined = owner;
      if (isNew) await redis.call(["SET", key, text, ...expiry]);
      else whose = ownerOf(await redis.run(bindIfFree, [key], [text, String(seconds)]));
      isTold = false;
      // Another binding of the same id may have followed.
      if (waiting.get(id) !== entry) return;
      waiting.delete(id);
      if (whose !== undefined) remember(id, whose);
    } catch (error) {
      tell(error);
      schedule();
    }
  };

  const flush = async (): Promise<void> => {
    if (flushing) return;
    flushing = true;
    for (const some of batches([...waiting], batch)) {
      if (!redis.up) break;
      await Promise.all(some.map(([id, entry]) => (waiting.get(id) === entry ? send(id, entry) : undefined)));
    }
    flushing = false;
  };

  /** Redis may refuse although it is there; where it is away, its coming back is told of. */
  const schedule = () => {
    if (!redis.up || retries) return;
    retries = true;
    setTimeout(() => {
      retries = false;
      void flush();
    }, retryMillis).unref();
  };

  const bind = (id: string, entry: Waiting) => {
    if (id.length > longestId) return;
    waiting.delete(id);
    waiting.set(id, entry);
    if (waiting.size > maxWaiting) {
      const [oldest] = waiting.keys();
      if (oldest !== undefined) waiting.delete(oldest);
    }
    if (redis.up) void send(id, entry);
  };

  const ask = async (id: string): Promise<Owner | undefined> => {
    try {
      const found = await redis.call(["GET", keyOf(id)]);
      const owner = found === null ? undefined : ownerOf(found);
      if (found !== null && owner === undefined) throw new Error(`Redis holds no owner at ${keyOf(id)}.`);
      isTold = false;
      if (owner !== undefined && !waiting.has(id)) remember(id, owner);
      return owner;
    } catch (error) {
      tell(error);
      throw new GatewayError("keys_away", "The gateway cannot tell for now whose this id is; send the request again.");
    }
  };

  /** What is only named here, and not written yet, is ours unless it is another's. */
  const claimed = async (id: string, owner: Owner): Promise<Owner> => (await ask(id)) ?? owner;

  redis.onConnected(() => void flush());

  return {
    find(id) {
      if (id.length > longestId) return undefined;
      const waits = waiting.get(id);
      if (waits !== undefined) return waits.isNew || !redis.up ? waits.owner : claimed(id, waits.owner);
      const known = remembered.get(id);
      if (known === undefined) return ask(id);
      remember(id, known);
      return known;
    },
    made(id, owner) {
      remembered.delete(id);
      bind(id, { owner, isNew: true });
    },
    named(id, owner) {
      if (!waiting.has(id) && !remembered.has(id)) bind(id, { owner, isNew: false });
    },
    flush: () => void flush(),
  };
}

/** To live; 0: for good. */
const secondsOf = (id: string): number =>
  fadingPrefixes.some((prefix) => id.startsWith(prefix)) ? fadingMillis / 1000 : 0;

/** Binds ids that are nobody's in Redis, some at a time. Rejects where Redis cannot be asked; some may be bound then. */
export async function bindFree(redis: Redis, all: readonly (readonly [string, Owner])[]): Promise<void> {
  for (const some of batches(all, batch)) {
    const bound = some.map(([id, owner]) => redis.run(bindIfFree, [keyOf(id)], [textOf(owner), String(secondsOf(id))]));
    await Promise.all(bound);
  }
}

const keyOf = (id: string): string => `{tollgate}:id:${id}`;
const textOf = ({ tenant, backend }: Owner): string => JSON.stringify([tenant, backend]);

function ownerOf(text: unknown): Owner | undefined {
  try {
    const [tenant, backend] = JSON.parse(String(text)) as readonly unknown[];
    return typeof tenant === "string" && typeof backend === "string" ? { tenant, backend } : undefined;
  } catch {
    return undefined;
  }
}

function* batches<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}
