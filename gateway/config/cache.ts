// The response cache, as the gateway uses it, out of a checked file.
import type { Assembly } from "./assemble.ts";
import type { Config } from "./config.ts";

/** None where the file has none. */
export function cacheSettings({ shape: { cache, redis }, variables, complain }: Assembly): Config["cache"] {
  if (cache === undefined) return undefined;
  if (cache.ttl === 0) complain(["cache", "ttl"], "is 0, so that nothing would be kept; give a time such as 5m");
  if (cache.store === "redis" && (variables.REDIS_URL ?? redis.url) === undefined) {
    complain(["cache", "store"], "is redis, but there is no redis.url; give one, or keep the cache in memory");
  }
  if (cache.store === "memory" && cache.maxEntryBytes > cache.maxBytes) {
    complain(["cache", "maxEntryBytes"], "is more than maxBytes, which is for all answers together");
  }
  return cache;
}
