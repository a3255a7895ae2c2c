// A rule's counter in Redis: its key, its form, how long it is kept, what it has now, and what its refusal means.
import type { Redis } from "../../state/redis.ts";
import { streamWaitMillis, type Taken } from "./ledger.ts";
import { periodEnd, periodStart } from "./period.ts";
import { counterKey, look } from "./redis-scripts.ts";
import type { Sort } from "./redis-settlements.ts";
import type { Counting, Rule } from "./rule.ts";

/** What is settled in a period that is over. */
const graceMillis = 2 * 86_400_000;
const openMillis = 7 * 86_400_000;

export function sortOf({ period }: Counting): Sort {
  if (period === "minute") return "minute";
  return period === "now" ? "open" : "period";
}

export function keyOf({ id, period }: Pick<Counting, "id" | "period">, now: number): string {
  return counterKey(period === "minute" || period === "now" ? id : `${id}:${periodStart(period, now)}`);
}

/** Milliseconds for which a counter is kept after its last use; 0 for good. */
export function ttlOf({ period }: Pick<Counting, "period">, now: number): number {
  if (period === "total") return 0;
  if (period === "minute" || period === "now") return openMillis;
  return Math.ceil(periodEnd(period, periodStart(period, now)) - now) + graceMillis;
}

/** Counters that are looked at in one script. */
const lookLot = 500;

/** What is used of each rule at `now`, which is Redis' time. Rejects where Redis is away. */
export async function usedOf(redis: Redis, rules: readonly Rule[], now: number): Promise<readonly number[]> {
  const used: number[] = [];
  for (let from = 0; from < rules.length; from += lookLot) {
    const some = rules.slice(from, from + lookLot);
    const keys = some.map((rule) => keyOf(rule, now));
    const reply = (await redis.run(look, keys, some.map(sortOf))) as readonly string[];
    for (const text of reply) used.push(Number(text));
  }
  return used;
}

/** The rule that keeps waiting longest. `waits` as the script gives them: ms, -1 for room, -2 for never. */
export function refusedBy(
  rules: readonly Rule[],
  used: readonly number[],
  waits: readonly number[],
  now: number,
): Taken {
  let refusing: Rule | undefined;
  let waitMillis = -1;
  rules.forEach((rule, at) => {
    const wait = waits[at] ?? -1;
    if (wait === -1) return;
    const { period } = rule;
    const millis =
      wait === -2
        ? Number.POSITIVE_INFINITY
        : period === "minute"
          ? wait
          : period === "now"
            ? streamWaitMillis
            : periodEnd(period, periodStart(period, now)) - now;
    if (millis <= waitMillis) return;
    refusing = rule;
    waitMillis = millis;
  });
  if (refusing === undefined) throw new Error("A refusal without a reason came from Redis.");
  return { holding: undefined, used, refusing, waitMillis };
}
