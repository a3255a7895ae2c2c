// Keys in Redis, where it differs from other stores: writers on many machines, and a server that may lose what it held.
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Redis, redis } from "../../state/redis.ts";
import { keyOf } from "../../testing/key-ring.ts";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import type { KeyStore, StoredKey } from "./key-store.ts";
import { redisStore } from "./redis-store.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const stored = (id: string): StoredKey => ({ key: keyOf(id), secrets: [{ hash: "a".repeat(64) }] });

let server: RedisServer;
let links: Redis[] = [];
let stores: KeyStore[] = [];
beforeEach(async () => {
  if (missing !== undefined) return;
  server = await redisServer();
  links = [redis({ url: server.url }), redis({ url: server.url })];
  for (const link of links) await link.ready(5_000);
  stores = links.map(redisStore);
});
afterEach(async () => {
  for (const link of links) await link.close();
  await server?.[Symbol.asyncDispose]();
});

facts("no change is lost among those that two gateways make at once", async () => {
  await stores[0]?.add(stored("k1"));
  const raise = ({ key, secrets }: StoredKey) => ({ key: { ...key, priority: key.priority + 1 }, secrets });
  await Promise.all(Array.from({ length: 20 }, (_, i) => stores[i % 2]?.update("k1", raise)));
  expect((await stores[0]?.changes(0))?.keys[0]?.key.priority).toBe(20);
});

facts("what is written after Redis has lost everything is seen by those who read before", async () => {
  const [one, two] = stores;
  for (const id of ["k1", "k2", "k3"]) await one?.add(stored(id));
  const { revision = 0 } = (await two?.changes(0)) ?? {};
  await links[0]?.call(["FLUSHALL"]);
  expect(await two?.changes(revision)).toEqual({ keys: [], revision });
  await one?.add(stored("k4"));
  expect((await two?.changes(revision))?.keys.map(({ key }) => key.id)).toEqual(["k4"]);
});

facts("a key that is half understood is told of, and not taken", async () => {
  await stores[0]?.add(stored("k1"));
  await links[0]?.call(["HSET", "{tollgate}:keys", "k1", '{"key":{"id":"k1"}}']);
  await expect(stores[1]?.changes(0)).rejects.toThrow(
    /^Redis \(hash \{tollgate\}:keys\) holds a key that cannot be read/,
  );
});
