// Sessions at two gateways that share one Redis, and with it one budget.
import { afterEach, beforeEach, expect, test } from "vitest";
import { testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { type RealtimeScene, realtimeScene } from "../testing/realtime-scene.ts";
import { noRedis, type RedisServer, redisServer } from "../testing/redis.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const patience = { timeout: 10_000, interval: 10 };

let server: RedisServer;
beforeEach(async () => {
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
});

const done = (tokens: number) =>
  JSON.stringify({ type: "response.done", response: { usage: { input_tokens: 0, output_tokens: tokens } } });

/** 1,000 nano-USD a token, 10 tokens held for each session, and a budget of 100 tokens. */
async function gateway(): Promise<RealtimeScene> {
  const keys = keyRing();
  keys.add("k1", { budgets: [{ period: "total", usd: 100_000e-9, hard: true, softRatio: 1 }] });
  return await realtimeScene({
    admitting: { keys },
    config: {
      redis: { url: server.url, onFailure: "refuse" },
      rateLimits: { ...testConfig().rateLimits, outputTokens: 10 },
      prices: [{ model: "*", inputPerMillion: 1, outputPerMillion: 1, origin: "config" }],
    },
  });
}

const open = (stage: RealtimeScene) => stage.connect(undefined, { headers: { authorization: "Bearer tg-k1" } });

/** Of the budget, in tokens, as a gateway sees it. Rejects while Redis is away. */
const spent = async ({ tollgate }: RealtimeScene) =>
  (await tollgate.allowance.standing()).map(({ used }) => used / 1_000)[0];

facts("what a session spends at one gateway is gone for a session at the other, to the token", async () => {
  await using one = await gateway();
  await using two = await gateway();
  const [here, far] = [await open(one), await open(two)];
  const [there, beyond] = [await one.there(), await two.there()];
  there.socket.send(done(60));
  await expect.poll(() => spent(two), patience).toBe(60 + 10 + 10);
  beyond.socket.send(done(35));
  expect(await far.closed).toEqual({ code: 1008, reason: "budget_exceeded" });
  await expect.poll(() => spent(one), patience).toBe(60 + 35 + 10);
  here.socket.close(1000);
  await one.tollgate.settled(1);
  await expect.poll(async () => [await spent(one), await spent(two)], patience).toEqual([95, 95]);
  expect(await two.onlyExchange()).toMatchObject({
    outcome: { reason: "budget", status: 101 },
    tokens: { output: 35 },
  });
});

facts("a session that Redis leaves alone ends after its response, which is counted once when it is back", async () => {
  await using one = await gateway();
  const here = await open(one);
  const there = await one.there();
  there.socket.send(done(30));
  await expect.poll(() => spent(one), patience).toBe(30 + 10);
  await server.kill();
  there.socket.send(done(5));
  expect(await here.closed).toEqual({ code: 1013, reason: "limits_away" });
  expect(JSON.parse(here.texts[2] ?? "")).toMatchObject({ type: "error", error: { code: "limits_unavailable" } });
  await one.tollgate.settled(1);
  await server.start();
  await expect.poll(() => spent(one).catch(() => undefined), patience).toBe(35);
  expect(await one.onlyExchange()).toMatchObject({
    outcome: { kind: "failed", reason: "internal", status: 101 },
    attempts: [{ result: "abandoned", status: 101 }],
  });
});
