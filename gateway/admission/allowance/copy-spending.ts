// Brings what was spent by the data folder's count to the Redis that counts from now on, so that budgets go on where they stood.
import { databaseFile, openExisting } from "../../state/database.ts";
import type { Redis, RedisScript } from "../../state/redis.ts";
import type { BudgetPeriod } from "../identity.ts";
import { periodEnd } from "./period.ts";
import { keyOf, ttlOf } from "./redis-counter.ts";
import { carriedKey } from "./redis-scripts.ts";

export interface CopySpendingOptions {
  /** The data folder. */
  readonly folder: string;
  readonly redis: Redis;
  /** Unix milliseconds. */
  readonly now: number;
  /** Names a folder that has no name yet, never another one. */
  readonly uuid: () => string;
  /** Told what was done, or could not be and is tried again at the next start; a sentence for the operator. */
  readonly warn: (sentence: string) => void;
}

/**
 * Adds to Redis what the folder counted since it was last asked, in all periods that still run; the folder stays as it
 * is. Redis remembers how much it has of each folder, so that nothing is added twice, whatever fails in between, and
 * who goes back to the folder for a while loses nothing. Never rejects.
 */
export async function copySpending(options: CopySpendingOptions): Promise<void> {
  const file = databaseFile(options.folder);
  try {
    const copied = await copy(options);
    if (copied > 0)
      options.warn(
        `What was spent was copied from ${file} to Redis (${copied} counts), where it is counted from now on.`,
      );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    options.warn(`What was spent could not be copied from ${file} to Redis; the next start tries again. ${why}`);
  }
}

const periods: ReadonlySet<string> = new Set<BudgetPeriod>(["day", "week", "month", "total"]);
const isPeriod = (text: string): text is BudgetPeriod => periods.has(text);

async function copy({ folder, redis, now, uuid }: CopySpendingOptions): Promise<number> {
  const database = openExisting(folder);
  if (database === undefined) return 0;
  try {
    const known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'spending'";
    if (database.prepare(known).get() === undefined) return 0;
    const keys: string[] = [];
    const args: string[] = [];
    for (const { id, start, used } of database.prepare("SELECT id, start, used FROM spending WHERE used > 0").all()) {
      // A rule's id ends with its period.
      const period = String(id).slice(String(id).lastIndexOf(":") + 1);
      if (!isPeriod(period) || now >= periodEnd(period, Number(start))) continue;
      const counting = { id: String(id), period };
      keys.push(keyOf(counting, now));
      args.push(String(used), String(ttlOf(counting, now)));
    }
    if (keys.length === 0) return 0;
    database.exec("CREATE TABLE IF NOT EXISTS folder (name TEXT NOT NULL)");
    const name = database.prepare("SELECT name FROM folder");
    if (name.get() === undefined) database.prepare("INSERT INTO folder VALUES (?)").run(uuid());
    return Number(await redis.run(carry, [carriedKey(String(name.get()?.name)), ...keys], args));
  } finally {
    database.close();
  }
}

/**
 * All or nothing, as Redis runs one script at a time. KEYS: what is known of the folder, then counters. ARGV: for each
 * counter what the folder counted, and its time to live in ms (0: for good). Gives how many counters have more now.
 */
const carry: RedisScript = {
  text: `
local before, changed, longest = {}, 0, 0
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do before[flat[i]] = tonumber(flat[i + 1]) end
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  local used, ttl, had = tonumber(ARGV[i * 2 - 3]), tonumber(ARGV[i * 2 - 2]), before[KEYS[i]] or 0
  if used > had then
    local left = redis.call('PTTL', KEYS[i])
    redis.call('HINCRBY', KEYS[i], 'u', string.format('%.0f', used - had))
    if ttl > 0 and left ~= -1 and left < ttl then redis.call('PEXPIRE', KEYS[i], ttl) end
    changed = changed + 1
  end
  redis.call('HSET', KEYS[1], KEYS[i], string.format('%.0f', math.max(used, had)))
  if ttl == 0 then longest = -1 elseif longest >= 0 then longest = math.max(longest, ttl) end
end
if longest > 0 then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', longest)) end
return changed
`,
};
