// Redis is killed, stalled, emptied and comes back: the operator's choice holds meanwhile, and every settlement counts once.
import { afterEach, beforeEach, expect, test } from "vitest";
import { GatewayError } from "../../errors.ts";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import { sharer as begin, costing, patience, type Sharer } from "../../testing/sharer.ts";
import type { LimitSettings } from "../identity.ts";
import type { Reservation } from "./allowance.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;

let server: RedisServer;
let ends: (() => Promise<void>)[] = [];

beforeEach(async () => {
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
  await server?.[Symbol.asyncDispose]();
});

async function sharer(onFailure: "allow" | "refuse", limits: LimitSettings = {}): Promise<Sharer> {
  const made = await begin({ url: server.url, onFailure, limits });
  ends.push(async () => made[Symbol.asyncDispose]());
  return made;
}

const kindOf = async (wanted: Promise<Reservation>) => {
  try {
    await wanted;
    return "granted";
  } catch (error) {
    return error instanceof GatewayError ? error.kind : error;
  }
};

facts("refuse: without Redis a caller with limits gets 503, and is served again when it is back", async () => {
  const one = await sharer("refuse");
  await one.spend(10);
  await server.kill();
  expect(await kindOf(one.reserve(10))).toBe("limits_away");
  expect(one.ledger.up).toBe(false);
  expect(one.troubles).toContain("refused");
  await server.start();
  await expect.poll(() => kindOf(one.reserve(10)), patience).toBe("granted");
  expect(one.ledger.up).toBe(true);
});

facts("allow: without Redis requests pass, and all that they spend is counted when it is back", async () => {
  const one = await sharer("allow");
  await one.spend(10);
  await server.kill();
  const late = await one.reserve(500);
  for (let at = 0; at < 20; at++) await one.spend(7);
  expect(late.headers).toEqual([]);
  expect(one.troubles.filter((effect) => effect === "allowed").length).toBe(21);
  await server.start();
  await expect.poll(() => one.ledger.up, patience).toBe(true);
  // What was reserved meanwhile and is still open is held now.
  await expect.poll(() => one.spent(), patience).toBe(10 + 20 * 7 + 500);
  late.settle(costing("none", 3));
  expect(await one.spent()).toBe(10 + 20 * 7 + 3);
});

facts("allow: without Redis nobody knows what is left of a limit, and no header says", async () => {
  const one = await sharer("allow", { requestsPerMinute: 9, tokensPerMinute: 9_000 });
  const told = async () => (await one.reserve(10)).headers.filter((_, at) => at % 2 === 0);
  expect(await told()).toContain("x-ratelimit-remaining-requests");
  await server.kill();
  expect(await told()).toEqual([]);
});

facts("a place that was given up before Redis went away is not taken again when it is back", async () => {
  const one = await sharer("allow", { concurrent: 1 });
  const reserved = await one.reserve(100, "x-vacated");
  reserved.vacate();
  await server.kill();
  await server.start();
  await expect.poll(() => one.ledger.up, patience).toBe(true);
  expect(await one.spent()).toBe(100);
  expect(await kindOf(one.reserve(10))).toBe("granted");
  expect(await kindOf(one.reserve(10))).toBe("concurrency_limit");
});

facts("what was reserved before Redis went away, and settled meanwhile, counts once and is held no more", async () => {
  const one = await sharer("refuse", { concurrent: 5 });
  const reserved = await one.reserve(100, "x-before");
  expect(await one.spent()).toBe(100);
  await server.kill();
  reserved.settle(costing("x-before", 30));
  await server.start();
  await expect.poll(() => one.ledger.up, patience).toBe(true);
  expect(await one.spent()).toBe(30);
  expect((await one.own.standing()).map(({ used }) => used)).toEqual([0, 30]);
});

facts(
  "killed and started again in mid-traffic, three times: each settlement counts once, and nothing stays held",
  async () => {
    const one = await sharer("allow", { concurrent: 100_000 });
    let spent = 0;
    let running = true;
    const traffic = (async () => {
      while (running) {
        await Promise.all(
          Array.from({ length: 50 }, async () => {
            await one.spend(3);
            spent += 3;
          }),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 1; round <= 3; round++) {
      const before = spent;
      await expect.poll(() => spent, patience).toBeGreaterThan(before + 3_000);
      await server.kill();
      await server.start();
      await expect.poll(() => one.ledger.up, patience).toBe(true);
    }
    running = false;
    await traffic;
    await expect.poll(() => one.spent(), patience).toBe(spent);
    expect((await one.own.standing()).map(({ rule, used }) => [rule.counted, used])).toEqual([
      ["streams", 0],
      ["money", spent],
    ]);
  },
);

facts("a Redis that takes connections and answers nothing is away after its time, and no request hangs", async () => {
  const one = await sharer("refuse");
  await one.spend(10);
  server.stall();
  const began = performance.now();
  expect(await kindOf(one.reserve(10))).toBe("limits_away");
  expect(performance.now() - began).toBeLessThan(2_000);
  server.resume();
  await expect.poll(() => kindOf(one.reserve(10)), patience).toBe("granted");
});

facts("a Redis that lost everything is told again what is open, and its scripts", async () => {
  const one = await sharer("refuse", { concurrent: 2 });
  const first = await one.reserve(40);
  await one.through.call(["FLUSHALL"]);
  await one.through.call(["SCRIPT", "FLUSH"]);
  await one.reserve(2);
  expect(await kindOf(one.reserve(1))).toBe("concurrency_limit");
  expect(await one.spent()).toBe(42);
  first.release();
  expect(await one.spent()).toBe(2);
});

facts("two gateways of which one loses its connection keep one count", async () => {
  const [one, other] = [await sharer("refuse", { concurrent: 3 }), await sharer("refuse", { concurrent: 3 })];
  await one.reserve(1);
  await one.reserve(1);
  await other.reserve(1);
  await other.through.call(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
  await expect.poll(() => kindOf(one.reserve(1)), patience).toBe("concurrency_limit");
  expect(await kindOf(other.reserve(1))).toBe("concurrency_limit");
});

facts("a gateway that closes gives back what it held, at once", async () => {
  const [one, other] = [await sharer("refuse", { concurrent: 1 }), await sharer("refuse", { concurrent: 1 })];
  await one.reserve(1);
  expect(await kindOf(other.reserve(1))).toBe("concurrency_limit");
  await one.own.close();
  expect(await kindOf(other.reserve(1))).toBe("granted");
});
