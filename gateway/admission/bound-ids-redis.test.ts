// Bound ids that gateways on several machines share: whose they are at the others, and what holds while Redis is away.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { GatewayError } from "../errors.ts";
import { type Redis, redis } from "../state/redis.ts";
import { noRedis, type RedisServer, redisServer } from "../testing/redis.ts";
import type { BoundIds } from "./bound-ids.ts";
import { redisIds } from "./bound-ids-redis.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const patience = { timeout: 10_000, interval: 10 };
const one = { tenant: "key:one", backend: "a" };
const two = { tenant: "key:two", backend: "b" };

let server: RedisServer;
let links: Redis[];
let told: unknown[];
let here: BoundIds;
let there: BoundIds;

const opened = async (bounds: { maxWaiting?: number; maxRemembered?: number } = {}) => {
  const link = redis({ url: server.url, stalledMillis: 200 });
  links.push(link);
  await link.ready(5_000);
  return redisIds({ redis: link, failed: (error) => told.push(error), ...bounds });
};
const link = () => links[0] as Redis;
const stored = (id: string) => link().call(["GET", `{tollgate}:id:${id}`]);
const kindOf = async (found: ReturnType<BoundIds["find"]>) => {
  try {
    return await found;
  } catch (error) {
    return error instanceof GatewayError ? error.kind : error;
  }
};

beforeAll(async () => {
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterAll(() => server?.[Symbol.asyncDispose]());
beforeEach(async () => {
  links = [];
  told = [];
  if (missing !== undefined) return;
  [here, there] = [await opened(), await opened()];
  await link().call(["FLUSHALL"]);
});
afterEach(async () => {
  for (const each of links) await each.close();
});

facts("are nobody's until they are made, and then their maker's at every gateway", async () => {
  expect(await here.find("file-a")).toBeUndefined();
  here.made("file-a", one);
  expect(here.find("file-a")).toEqual(one);
  await vi.waitFor(async () => expect(await there.find("file-a")).toEqual(one), patience);
  expect(there.find("file-a")).toEqual(one);
  expect(await there.find("file-b")).toBeUndefined();
});

facts("made anew are their new maker's", async () => {
  here.made("file-a", one);
  here.made("file-a", two);
  await vi.waitFor(async () => expect(await there.find("file-a")).toEqual(two), patience);
  expect(here.find("file-a")).toEqual(two);
});

facts("that are only named stay whose they are, whichever gateway they were named at", async () => {
  here.made("file-a", one);
  await vi.waitFor(async () => expect(await stored("file-a")).not.toBeNull(), patience);
  there.named("file-a", two);
  expect(await there.find("file-a")).toEqual(one);
  // Written by now, and still not taken.
  await vi.waitFor(() => expect(there.find("file-a")).toEqual(one), patience);
  expect(await (await opened()).find("file-a")).toEqual(one);
  here.named("resp_b", one);
  expect(await here.find("resp_b")).toEqual(one);
  await vi.waitFor(async () => expect(await there.find("resp_b")).toEqual(one), patience);
  there.named("resp_b", two);
  expect(await (await opened()).find("resp_b")).toEqual(one);
});

facts("of responses are kept for sixty days, others for good", async () => {
  here.made("file-a", one);
  here.made("resp_a", one);
  here.named("resp_b", one);
  await vi.waitFor(async () => {
    const left = (id: string) => link().call(["TTL", `{tollgate}:id:${id}`]);
    expect([await left("file-a"), await left("resp_a"), await left("resp_b")]).toEqual([
      -1,
      expect.closeTo(60 * 86_400, -2),
      expect.closeTo(60 * 86_400, -2),
    ]);
  }, patience);
});

facts(
  "without Redis: what is at hand is known, what is not is refused, and what is bound is written later",
  async () => {
    here.made("file-a", one);
    await vi.waitFor(async () => expect(await there.find("file-a")).toEqual(one), patience);
    there.made("file-far", two);
    await vi.waitFor(async () => expect(await stored("file-far")).not.toBeNull(), patience);
    await server.kill();
    await vi.waitFor(() => expect(links.some(({ up }) => up)).toBe(false), patience);
    expect(here.find("file-a")).toEqual(one);
    expect(await kindOf(here.find("file-far"))).toBe("keys_away");
    expect(await kindOf(here.find("file-far"))).toBe("keys_away");
    expect(told).toHaveLength(1);
    here.made("file-b", one);
    here.named("resp_b", one);
    expect([here.find("file-b"), here.find("resp_b")]).toEqual([one, one]);
    await server.start();
    await vi.waitFor(
      async () => expect([await there.find("file-b"), await there.find("resp_b")]).toEqual([one, one]),
      patience,
    );
    expect(await here.find("file-far")).toEqual(two);
  },
);

facts("grow within their bounds, while Redis is there and while it is away", async () => {
  const few = await opened({ maxWaiting: 3, maxRemembered: 2 });
  for (const letter of ["a", "b", "c"]) few.made(`file-${letter}`, one);
  await vi.waitFor(async () => expect(await stored("file-c")).not.toBeNull(), patience);
  await vi.waitFor(() => expect(few.find("file-a")).toBeInstanceOf(Promise), patience);
  expect(few.find("file-c")).toEqual(one);
  expect(await few.find("file-a")).toEqual(one);
  await server.kill();
  await vi.waitFor(() => expect(links.some(({ up }) => up)).toBe(false), patience);
  for (const letter of ["d", "e", "f", "g"]) few.made(`file-${letter}`, one);
  expect(await kindOf(few.find("file-d"))).toBe("keys_away");
  expect(few.find("file-g")).toEqual(one);
  await server.start();
  await vi.waitFor(async () => expect(await here.find("file-g")).toEqual(one), patience);
  expect(await here.find("file-d")).toBeUndefined();
});

facts("that Redis refuses to write are tried again", async () => {
  await link().call(["CONFIG", "SET", "min-replicas-to-write", "1"]);
  here.made("file-a", one);
  await vi.waitFor(() => expect(told).toHaveLength(1), patience);
  expect([here.find("file-a"), await stored("file-a")]).toEqual([one, null]);
  await link().call(["CONFIG", "SET", "min-replicas-to-write", "0"]);
  await vi.waitFor(async () => expect(await there.find("file-a")).toEqual(one), patience);
});

facts("of endless length are nobody's", async () => {
  here.made("x".repeat(300), one);
  expect(here.find("x".repeat(300))).toBeUndefined();
});
