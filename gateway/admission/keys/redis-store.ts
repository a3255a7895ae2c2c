// Keys in a Redis that several gateways share, on as many machines.
import { DatabaseProblem } from "../../state/database.ts";
import type { Redis, RedisScript } from "../../state/redis.ts";
import { type KeyStore, LabelTaken, type StoredKey } from "./key-store.ts";
import { readStored } from "./stored-key.ts";

/*
 * Keys (one hash tag, so that a cluster keeps them together):
 *   {tollgate}:keys          id → document
 *   {tollgate}:keys:labels   label of a key that is not revoked → id
 *   {tollgate}:keys:changes  ids by the revision of their last change
 */
const places = ["{tollgate}:keys", "{tollgate}:keys:labels", "{tollgate}:keys:changes"];

/**
 * Writes one key where it still is as it was read. ARGV: id, document as it was (empty: there is none), its label
 * (empty: it held none), new document, new label (empty: it holds none). Gives 1, 0 where someone else changed it
 * meanwhile, -1 where another key has the label. Revisions are microseconds at least, so that they go on growing
 * where Redis has lost what it held.
 */
const put: RedisScript = {
  text: `
local id, was, oldLabel, document, label = unpack(ARGV)
if (redis.call('HGET', KEYS[1], id) or '') ~= was then return 0 end
local holder = label ~= '' and redis.call('HGET', KEYS[2], label)
if holder and holder ~= id then return -1 end
if oldLabel ~= '' then redis.call('HDEL', KEYS[2], oldLabel) end
if label ~= '' then redis.call('HSET', KEYS[2], label, id) end
redis.call('HSET', KEYS[1], id, document)
local time = redis.call('TIME')
local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local revision = math.max(tonumber(last or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
redis.call('ZADD', KEYS[3], string.format('%.0f', revision), id)
return 1
`,
};

/** ARGV: a revision. Gives the last revision since then (empty: none), and the documents of what changed, in order. */
const later: RedisScript = {
  text: `
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES')
if #found == 0 then return {''} end
local reply = {string.format('%.0f', tonumber(found[#found]))}
for i = 1, #found, 2 do reply[#reply + 1] = redis.call('HGET', KEYS[1], found[i]) or '' end
return reply
`,
};

/** Where a key is told of that cannot be read. */
const here = "Redis (hash {tollgate}:keys)";
/** Others change the same key as often as that in the time of one look: it is held by a fault. */
const maxAttempts = 100;

/** Every method rejects with a DatabaseProblem where Redis is away or refuses. */
export function redisStore(redis: Redis): KeyStore {
  const run = async (script: RedisScript, args: readonly string[]): Promise<unknown> => {
    try {
      return await redis.run(script, places, args);
    } catch (error) {
      throw redisProblem(error);
    }
  };

  /** Whether it was written. */
  const write = async (next: StoredKey, was?: { readonly document: string; readonly stored: StoredKey }) => {
    const old = was === undefined ? "" : heldLabel(was.stored);
    const args = [next.key.id, was?.document ?? "", old, JSON.stringify(next), heldLabel(next)];
    const written = await run(put, args);
    if (written === -1) throw new LabelTaken(next.key.label);
    return written === 1;
  };

  return {
    async changes(since) {
      const [revision, ...documents] = (await run(later, [String(since)])) as readonly string[];
      if (!revision) return { keys: [], revision: since };
      return { keys: documents.map((document) => readStored(document, here)), revision: Number(revision) };
    },
    async add(stored) {
      // What is there already, under an id of 96 random bits, is this key itself.
      await write(stored);
    },
    async update(id, change) {
      for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
        const document = await redis.call(["HGET", places[0] ?? "", id]).catch((error: unknown) => {
          throw redisProblem(error);
        });
        if (typeof document !== "string") return undefined;
        const stored = readStored(document, here);
        const next = change(stored);
        if (await write(next, { document, stored })) return next;
      }
      throw new DatabaseProblem(`The key ${id} was changed by others again and again; try again.`);
    },
  };
}

/** As SQLite folds it: capitals of ASCII. "" for a revoked key, whose label is free. */
const heldLabel = ({ key: { label, revokedAt } }: StoredKey): string =>
  revokedAt === undefined ? label.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase()) : "";

function redisProblem(error: unknown): DatabaseProblem {
  const said = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
  return new DatabaseProblem(
    `The keys are in Redis, which cannot be used (${said}); see that it runs at redis.url (REDIS_URL) and takes writes.`,
    error,
  );
}
