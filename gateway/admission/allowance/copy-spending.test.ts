// Spending of a data folder that comes to Redis: what still counts, once, and none lost where Redis is away.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openOrMake } from "../../state/database.ts";
import type { Redis } from "../../state/redis.ts";
import { type FolderAndRedis, folderAndRedis } from "../../testing/folder-and-redis.ts";
import { noRedis, type RedisServer } from "../../testing/redis.ts";
import { copySpending } from "./copy-spending.ts";
import { periodStart } from "./period.ts";
import { usedOf } from "./redis-counter.ts";
import type { Rule } from "./rule.ts";
import { sqliteSpending } from "./spending.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;

const day = 86_400_000;
/** Whatever the day, since Redis forgets by its own clock. */
const now = Date.now();
const budget = (period: Rule["period"], counted: Rule["counted"] = "money"): Rule => ({
  id: `key:one:${counted}:${period}`,
  counted,
  period,
  limit: 1,
  enforced: true,
  scope: "key",
  name: "one",
  soft: 0,
});
const rules = [budget("day", "requests"), budget("day"), budget("week"), budget("month"), budget("total")];

let stage: FolderAndRedis;
let server: RedisServer;
let folder: string;
let link: Redis;
let told: string[];

beforeEach(async () => {
  stage = await folderAndRedis();
  ({ server, folder, link } = stage);
  told = [];
});
afterEach(() => stage[Symbol.asyncDispose]());

const copied = (from = folder) =>
  copySpending({ folder: from, redis: link, now, uuid: () => "a", warn: (sentence) => void told.push(sentence) });
const used = () => usedOf(link, rules, now);

/** The folder counts so much more of each rule, in the period that holds `at`. */
function spent(amount: number, at = now, of = rules): void {
  const database = openOrMake(folder);
  const rows = of.map(({ id, period }) => ({ id, start: periodStart(period as "day", at), used: amount }));
  sqliteSpending(database).add(rows);
  database.close();
}

facts("what was spent in periods that still run counts on, beside what Redis counts by itself", async () => {
  const largest = 9_000_000_000_000_000;
  spent(largest);
  spent(5, now - 40 * day, rules.slice(0, 4));
  await copied();
  expect(await used()).toEqual(rules.map(() => largest));
  expect(told).toEqual([
    `What was spent was copied from ${folder}/tollgate.db to Redis (5 counts), where it is counted from now on.`,
  ]);
  const left = await Promise.all(
    ["day", "total"].map(async (period) => {
      const start = periodStart(period as "day", now);
      return Number(await link.call(["PTTL", `{tollgate}:c:key:one:money:${period}:${start}`]));
    }),
  );
  expect(left[0]).toBeGreaterThan(day);
  expect(left[0]).toBeLessThanOrEqual(3 * day);
  expect(left[1]).toBe(-1);
});

facts("nothing is added twice, and what the folder counted since is", async () => {
  spent(100);
  await copied();
  await copied();
  expect(await used()).toEqual([100, 100, 100, 100, 100]);
  spent(7);
  await copied();
  expect(await used()).toEqual([107, 107, 107, 107, 107]);
  expect(told).toHaveLength(2);
});

facts("where Redis is away it is told of, and done at the next start", async () => {
  spent(100);
  await server.kill();
  await copied();
  expect(told).toEqual([
    expect.stringMatching(/^What was spent could not be copied from .* to Redis; the next start tries again\./),
  ]);
  await server.start();
  await link.ready(5_000);
  await copied();
  expect(await used()).toEqual([100, 100, 100, 100, 100]);
});

facts("a folder that counted nothing, or is not there, is left as it is", async () => {
  await copied(join(folder, "none"));
  openOrMake(folder).close();
  await copied();
  spent(0);
  await copied();
  expect(told).toEqual([]);
});
