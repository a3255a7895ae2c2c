// Sessions that are charged in steps, over a Redis that several gateways share: each step counts once, whatever fails.
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import { costing, patience, type Sharer, type SharerOptions, sharer } from "../../testing/sharer.ts";
import type { Reservation } from "./allowance.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;

let server: RedisServer;

beforeEach(async () => {
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
});

const gateway = (more: Partial<SharerOptions> = {}) => sharer({ url: server.url, onFailure: "refuse", ...more });

/** A session that reserves for one response, and is charged in nano-USD for all that it has used so far. */
async function session(at: Sharer, reserved: number) {
  const id = randomUUID();
  const held: Reservation = await at.reserve(reserved, id, true);
  return {
    charge: async (nanoUsd: number | undefined) => held.charge({ tokens: 0, nanoUsd }),
    end: (nanoUsd: number) => held.settle(costing(id, nanoUsd)),
  };
}

const outcome = (step: Promise<void>) =>
  step.then(
    () => "went on",
    (error) => error.kind,
  );

facts("two sessions at two gateways share one budget, and the one that finds no room is told so", async () => {
  await using here = await gateway({ usd: 1_000e-9 });
  await using there = await gateway({ usd: 1_000e-9 });
  const [one, other] = [await session(here, 100), await session(there, 100)];
  expect(await outcome(one.charge(300))).toBe("went on");
  expect(await outcome(other.charge(400))).toBe("went on");
  expect(await here.spent()).toBe(900);
  // 100 are free, and both reservations stand for a response that is still to come.
  expect(await outcome(one.charge(401))).toBe("budget_exceeded");
  expect(await here.spent()).toBe(1_001);
  expect(await outcome(there.spend(1))).toBe("budget_exceeded");
  one.end(401);
  expect(await here.spent()).toBe(901);
  other.end(450);
  expect(await there.spent()).toBe(851);
  expect(await outcome(there.spend(149))).toBe("went on");
  expect(await there.spent()).toBe(1_000);
});

facts("forty sessions at two gateways that are charged side by side add up to the nano-dollar", async () => {
  await using here = await gateway();
  await using there = await gateway();
  const costs = await Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      const one = await session(at % 2 === 0 ? here : there, 1_000);
      let used = 0;
      for (let step = 1; step <= 25; step++) {
        used += at + step;
        await one.charge(used);
      }
      // The end knows of a little more than the last step did.
      one.end(used + 7);
      return used + 7;
    }),
  );
  expect([await here.spent(), await there.spent()].at(-1)).toBe(costs.reduce((sum, cost) => sum + cost, 0));
});

facts("a step that Redis did not answer counts once, though the session's end was recorded before that", async () => {
  await using here = await gateway();
  await using there = await gateway();
  await there.spend(1);
  const one = await session(here, 100);
  await one.charge(40);
  server.stall();
  const step = outcome(one.charge(70));
  one.end(70);
  expect(await step).toBe("limits_away");
  server.resume();
  await expect.poll(() => here.ledger.up, patience).toBe(true);
  expect(await here.spent()).toBe(71);
  expect(await there.spent()).toBe(71);
});

facts.each(["refuse", "allow"] as const)(
  "steps while Redis is dead count once when it is back, and so does the end (%s)",
  async (onFailure) => {
    await using here = await gateway({ onFailure });
    const [one, other] = [await session(here, 100), await session(here, 100)];
    await one.charge(40);
    await server.kill();
    const kind = onFailure === "refuse" ? "limits_away" : "went on";
    expect(await outcome(one.charge(70))).toBe(kind);
    expect(await outcome(other.charge(5))).toBe(kind);
    one.end(75);
    await server.start();
    await expect.poll(() => here.ledger.up, patience).toBe(true);
    // What the other has reserved is held.
    await expect.poll(() => here.spent(), patience).toBe(75 + 5 + 100);
    other.end(9);
    expect(await here.spent()).toBe(75 + 9);
  },
);

facts("a step without a price is too much for a hard budget, and what was priced before it counts", async () => {
  await using here = await gateway();
  const one = await session(here, 100);
  await one.charge(40);
  expect(await outcome(one.charge(undefined))).toBe("unpriced_model");
  expect(await here.spent()).toBe(140);
});

facts("a step that is under way when the gateway closes counts", async () => {
  await using there = await gateway();
  await there.spend(1);
  const here = await gateway();
  const one = await session(here, 100);
  const step = outcome(one.charge(60));
  await here[Symbol.asyncDispose]();
  expect(await step).toBe("went on");
  expect(await there.spent()).toBe(61);
});
