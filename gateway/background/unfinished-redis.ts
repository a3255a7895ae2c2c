// Unfinished responses in a Redis: whichever gateway is told of one's use counts it, and no other.
import { fadingMillis } from "../admission/bound-ids.ts";
import type { Redis, RedisScript } from "../state/redis.ts";
import type { UnfinishedStore } from "./unfinished.ts";

/*
 * A key holds `<begunBy> <entry>`, and `<begunBy>` alone once that was taken: a command whose answer was lost is sent
 * again, and may come twice.
 */
const nameOf = (key: string): string => `{tollgate}:unfinished:${key}`;

/** KEYS: the key. ARGV: by what it was begun, the entry, ms to live. */
const write: RedisScript = {
  text: `
if redis.call('GET', KEYS[1]) == ARGV[1] then return end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
`,
};

/** KEYS: the key. ARGV: by what the taker's own was begun (empty: it has none), ms to live. Gives the entry, or 1: taken. */
const take: RedisScript = {
  text: `
local there = redis.call('GET', KEYS[1])
local space = there and string.find(there, ' ', 1, true)
local begun = there and (space and string.sub(there, 1, space - 1) or there)
if ARGV[1] ~= '' and begun ~= ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return
end
if not there then return end
if not space then return 1 end
redis.call('SET', KEYS[1], begun, 'PX', ARGV[2])
return string.sub(there, space + 1)
`,
};

export function redisUnfinished(redis: Redis): UnfinishedStore {
  return {
    async write(key, begunBy, entry) {
      await redis.run(write, [nameOf(key)], [begunBy, entry, String(fadingMillis)]);
    },
    async take(key, here) {
      const found = await redis.run(take, [nameOf(key)], [here ?? "", String(fadingMillis)]);
      if (found === null) return undefined;
      return found === 1 ? "taken" : String(found);
    },
  };
}
