// Brings what a data folder knows of ids to the Redis that knows them from now on, so that what was made stays its maker's.
import { databaseFile, openExisting } from "../state/database.ts";
import type { Redis } from "../state/redis.ts";
import type { Owner } from "./bound-ids.ts";
import { bindFree } from "./bound-ids-redis.ts";

/**
 * Binds what is nobody's in Redis, once; the file's own stays as it is. What was done, or could not be and is tried
 * again at the next start, is a sentence for the operator. Never rejects: ids that are not bound are nobody's.
 */
export async function copyIds(folder: string, redis: Redis, warn: (sentence: string) => void): Promise<void> {
  const file = databaseFile(folder);
  try {
    const copied = await copy(folder, redis);
    if (copied > 0)
      warn(`What callers have made was copied from ${file} to Redis (${copied} ids), where it is from now on.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    warn(`What callers have made could not be copied from ${file} to Redis; the next start tries again. ${why}`);
  }
}

async function copy(folder: string, redis: Redis): Promise<number> {
  const database = openExisting(folder);
  if (database === undefined) return 0;
  try {
    const has = (table: string) =>
      database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined;
    if (!has("bound_ids") || has("ids_copied")) return 0;
    const found = database.prepare("SELECT id, tenant, backend FROM bound_ids").all();
    const owned = found.map(({ id, tenant, backend }): [string, Owner] => [
      String(id),
      { tenant: String(tenant), backend: String(backend) },
    ]);
    await bindFree(redis, owned);
    database.exec("CREATE TABLE IF NOT EXISTS ids_copied (at INTEGER NOT NULL)");
    return owned.length;
  } finally {
    database.close();
  }
}
