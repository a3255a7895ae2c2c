// Unfinished responses in a Redis: whichever gateway is asked for one counts what it has used, and no other.
import type { Redis } from "../state/redis.ts";
import { keptMillis, type UnfinishedStore } from "./unfinished.ts";

const keyOf = (id: string): string => `{tollgate}:unfinished:${id}`;

export function redisUnfinished(redis: Redis): UnfinishedStore {
  return {
    async write(id, entry) {
      await redis.call(["SET", keyOf(id), entry, "PX", String(keptMillis)]);
    },
    async read(id) {
      const entry = await redis.call(["GET", keyOf(id)]);
      return entry === null ? undefined : String(entry);
    },
    remove: async (id) => (await redis.call(["DEL", keyOf(id)])) === 1,
  };
}
