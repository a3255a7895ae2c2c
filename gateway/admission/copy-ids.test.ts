// Ids of a data folder that come to Redis: once, past none that is known there, and none lost where Redis is away.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openOrMake } from "../state/database.ts";
import type { Redis } from "../state/redis.ts";
import { type FolderAndRedis, folderAndRedis } from "../testing/folder-and-redis.ts";
import { noRedis, type RedisServer } from "../testing/redis.ts";
import { redisIds } from "./bound-ids-redis.ts";
import { sqliteIds } from "./bound-ids-sqlite.ts";
import { copyIds } from "./copy-ids.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const one = { tenant: "key:one", backend: "a" };
const two = { tenant: "key:two", backend: "b" };

let stage: FolderAndRedis;
let server: RedisServer;
let folder: string;
let link: Redis;
let told: string[];

const warn = (sentence: string) => void told.push(sentence);
const ids = () =>
  redisIds({
    redis: link,
    failed: (error) => {
      throw error;
    },
  });

beforeEach(async () => {
  stage = await folderAndRedis();
  ({ server, folder, link } = stage);
  told = [];
});
afterEach(() => stage[Symbol.asyncDispose]());

/** A data folder that knows these. */
function filled(all: readonly string[]): void {
  const database = openOrMake(folder);
  const inFile = sqliteIds({ database, now: () => 0, failed: (error) => warn(String(error)) });
  for (const id of all) inFile.made(id, one);
  inFile.flush();
  database.close();
}

facts("what the folder knows is known in Redis, but for what somebody has there already", async () => {
  filled(["file-a", "file-b", ...Array.from({ length: 1_200 }, (_, i) => `batch-${i}`)]);
  await link.call(["SET", "{tollgate}:id:file-b", JSON.stringify([two.tenant, two.backend])]);
  await copyIds(folder, link, warn);
  const found = await Promise.all(["file-a", "file-b", "batch-0", "batch-1199"].map((id) => ids().find(id)));
  expect(found).toEqual([one, two, one, one]);
  expect(told).toEqual([
    `What callers have made was copied from ${folder}/tollgate.db to Redis (1202 ids), where it is from now on.`,
  ]);
});

facts("it is done once: what is gone there stays gone", async () => {
  filled(["file-a"]);
  await copyIds(folder, link, warn);
  await link.call(["FLUSHALL"]);
  await copyIds(folder, link, warn);
  expect(await ids().find("file-a")).toBeUndefined();
  expect(told).toHaveLength(1);
});

facts("where Redis is away it is told of, and done at the next start", async () => {
  filled(["file-a"]);
  await server.kill();
  await copyIds(folder, link, warn);
  expect(told).toEqual([
    expect.stringMatching(/^What callers have made could not be copied from .* to Redis; the next start tries again\./),
  ]);
  await server.start();
  await link.ready(5_000);
  await copyIds(folder, link, warn);
  expect(await ids().find("file-a")).toEqual(one);
});

facts("a folder that knows none, or is not there, is left as it is", async () => {
  await copyIds(join(folder, "none"), link, warn);
  filled([]);
  await copyIds(folder, link, warn);
  expect(told).toEqual([]);
});
