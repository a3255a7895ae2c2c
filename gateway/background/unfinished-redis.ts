// Unfinished responses in a Redis: whichever gateway is told of one's use counts it, and no other.
import type { Redis } from "../state/redis.ts";
import { keptMillis, type UnfinishedStore } from "./unfinished.ts";

const nameOf = (key: string): string => `{tollgate}:unfinished:${key}`;
const kept = ["PX", String(keptMillis)];
/** Stays in an entry's place, as a command that Redis was slow to answer may come to it twice. */
const taken = "";

export function redisUnfinished(redis: Redis): UnfinishedStore {
  return {
    async write(key, entry) {
      // What was written already may be taken by now.
      await redis.call(["SET", nameOf(key), entry, "NX", ...kept]);
    },
    async take(key, mayComeYet) {
      const onlyThere = mayComeYet ? [] : ["XX"];
      const entry = await redis.call(["SET", nameOf(key), taken, ...onlyThere, "GET", ...kept]);
      if (entry === null) return undefined;
      return entry === taken ? "taken" : String(entry);
    },
  };
}
