// Several processes that share one Redis hold one limit and one budget, whatever ends in the middle.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Burst, BurstResult, Setup } from "../../testing/allowance-process.ts";
import { noRedis, type RedisServer, redisServer } from "../../testing/redis.ts";
import type { BudgetSettings, Identity, LimitSettings } from "../identity.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const program = fileURLToPath(new URL("../../testing/allowance-process.ts", import.meta.url));

let server: RedisServer | undefined;
let children: ChildProcess[] = [];

beforeEach(async () => {
  if (missing === undefined) server = await redisServer();
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  await server?.[Symbol.asyncDispose]();
});

const caller = (limits: LimitSettings, ...budgets: readonly BudgetSettings[]): Identity => ({
  auth: "key",
  priority: 0,
  key: { id: "key_1", label: "web", createdAt: 0, grants: [], limits, budgets, priority: 0 },
});
const budget = (usd: number): BudgetSettings => ({ period: "total", usd, softRatio: 0.8, hard: true });

interface Sharer {
  burst(burst: Burst): Promise<BurstResult>;
  kill(): Promise<void>;
}

async function sharer(identity: Identity, deadMillis = 15_000): Promise<Sharer> {
  const child = fork(program, { execArgv: [] });
  children.push(child);
  const setup: Setup = {
    url: server?.url ?? "",
    identity,
    deadMillis,
    settings: {
      limits: { default: {}, perUser: {}, perModel: [], total: {}, outputTokens: 0, expireSeconds: 3_600 },
      budgets: [],
    },
  };
  child.send(setup);
  await once(child, "message");
  return {
    async burst(wanted) {
      child.send(wanted);
      const [result] = await once(child, "message");
      return result as BurstResult;
    },
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

const sum = (results: readonly BurstResult[]) => results.reduce((all, { granted }) => all + granted, 0);
const usd = 1_000_000_000;

facts("two processes with 10,000 requests at once hold one limit of requests exactly", async () => {
  const identity = caller({ requestsPerMinute: 1_000 });
  const both = [await sharer(identity), await sharer(identity)];
  const burst: Burst = { count: 4_900, tokens: 10, nanoUsd: 0, real: { tokens: 10, nanoUsd: 0 } };
  // Each has had some of it before they race for the rest.
  for (const one of both) expect(await one.burst({ ...burst, count: 100 })).toEqual({ granted: 100, refused: {} });
  const results = await Promise.all(both.map((one) => one.burst(burst)));
  expect(sum(results)).toBe(800);
  expect(results.map(({ refused }) => Object.keys(refused))).toEqual([["request_limit"], ["request_limit"]]);
});

facts("two processes with 10,000 requests at once spend one budget exactly, and not a nano-dollar more", async () => {
  const identity = caller({}, budget(1));
  const both = [await sharer(identity), await sharer(identity)];
  const each = usd / 1_000;
  const burst: Burst = { count: 5_000, tokens: 0, nanoUsd: each, real: { tokens: 0, nanoUsd: each } };
  const results = await Promise.all(both.map((one) => one.burst(burst)));
  expect(sum(results)).toBe(1_000);
  expect(results.map(({ refused }) => Object.keys(refused))).toEqual([["budget_exceeded"], ["budget_exceeded"]]);
});

facts(
  "what was reserved too much is free for others, and the budget is spent to the last request that fits",
  async () => {
    const identity = caller({}, budget(1));
    const both = [await sharer(identity), await sharer(identity)];
    const [estimate, real] = [usd / 500, usd / 1_000];
    const burst: Burst = { count: 500, tokens: 0, nanoUsd: estimate, real: { tokens: 0, nanoUsd: real } };
    let granted = 0;
    for (;;) {
      const round = sum(await Promise.all(both.map((one) => one.burst(burst))));
      if (round === 0) break;
      granted += round;
      expect(granted * real).toBeLessThanOrEqual(usd);
    }
    // The last one needed room for its estimate.
    expect(granted * real).toBeGreaterThan(usd - estimate);
  },
);

facts("what a killed process held is free again for the others, and its spending stays", async () => {
  const identity = caller({ concurrent: 5 }, budget(1));
  const [dying, living] = [await sharer(identity, 1_000), await sharer(identity, 1_000)];
  const each = usd / 10;
  expect(await dying.burst({ count: 3, tokens: 0, nanoUsd: each, real: { tokens: 0, nanoUsd: each } })).toMatchObject({
    granted: 3,
  });
  expect(await dying.burst({ count: 9, tokens: 0, nanoUsd: each })).toMatchObject({ granted: 5 });
  const none: Burst = { count: 1, tokens: 0, nanoUsd: each, real: { tokens: 0, nanoUsd: 0 } };
  expect((await living.burst(none)).refused).toEqual({ concurrency_limit: 1 });
  await dying.kill();
  await expect.poll(async () => (await living.burst(none)).granted, { timeout: 10_000, interval: 50 }).toBe(1);
  // 3 of 10 are spent; 5 may be open, 7 paid for.
  expect(await living.burst({ count: 9, tokens: 0, nanoUsd: each, real: { tokens: 0, nanoUsd: each } })).toMatchObject({
    granted: 5,
  });
  expect(await living.burst({ count: 9, tokens: 0, nanoUsd: each })).toMatchObject({
    granted: 2,
    refused: { budget_exceeded: 7 },
  });
});

facts("a process that was taken for dead while it was paused holds again what it held when it goes on", async () => {
  const identity = caller({ concurrent: 5 });
  const [paused, other] = [await sharer(identity, 600), await sharer(identity, 600)];
  expect((await paused.burst({ count: 2, tokens: 0, nanoUsd: 0 })).granted).toBe(2);
  const child = children[0];
  child?.kill("SIGSTOP");
  const all: Burst = { count: 5, tokens: 0, nanoUsd: 0, real: { tokens: 0, nanoUsd: 0 } };
  await expect.poll(async () => (await other.burst(all)).granted, { timeout: 10_000, interval: 50 }).toBe(5);
  child?.kill("SIGCONT");
  await expect.poll(async () => (await other.burst(all)).granted, { timeout: 10_000, interval: 50 }).toBe(3);
});
