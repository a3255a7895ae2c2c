// What was counted for a response in advance gives way to what it used, in the periods and at the gateways that it fell to.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Exchange } from "../../../instrumentation/index.ts";
import { sampleExchange } from "../../../instrumentation/testing/exchange.ts";
import { redis } from "../../state/redis.ts";
import { forgetfulSpending } from "../../testing/forgetful-spending.ts";
import { noRedis, redisServer } from "../../testing/redis.ts";
import type { Identity } from "../identity.ts";
import { allowance } from "./allowance.ts";
import type { Ledger } from "./ledger.ts";
import { memoryLedger } from "./memory-ledger.ts";
import { correct, type Provision } from "./provision.ts";
import { redisLedger } from "./redis-ledger.ts";
import type { Rule } from "./rule.ts";

const withRedis = noRedis() === undefined ? test : test.skip;
const lateEvening = Date.UTC(2026, 0, 10, 23, 59);
let now: number;
let ledger: Ledger;

beforeEach(() => {
  now = lateEvening;
  ledger = memoryLedger({ wall: () => now, store: forgetfulSpending() });
});
afterEach(() => ledger.close());

const rule = (counted: "tokens" | "money", period: "minute" | "day" | "month" | "total"): Rule => ({
  id: `k:${counted}:${period}`,
  counted,
  period,
  limit: 1e15,
  enforced: true,
  scope: "key",
  name: "k",
  soft: 0,
});
const rules = [rule("tokens", "minute"), rule("tokens", "day"), rule("money", "month"), rule("money", "total")];
const amounts = { tokens: 100, nanoUsd: 1_000 };

function counted(): Provision {
  const taken = ledger.take(rules, amounts);
  if (taken instanceof Promise || taken.holding === undefined) throw new Error("it was not taken at once");
  ledger.settle(taken.holding, amounts);
  return { rules, amounts, at: now };
}

test("less is given back where the period still runs; more counts in the one that runs now", () => {
  const provision = counted();
  now += 120_000;
  correct(ledger, provision, { tokens: 40, nanoUsd: 3_000 }, now);
  expect(ledger.used(rules)).toEqual([0, 0, 3_000, 3_000]);
  correct(ledger, provision, { tokens: 140, nanoUsd: 500 }, now);
  expect(ledger.used(rules)).toEqual([40, 40, 2_500, 2_500]);
});

test("a day gives back what it counted, a minute does not", () => {
  const provision = counted();
  now += 30_000;
  correct(ledger, provision, { tokens: 40, nanoUsd: 1_000 }, now);
  expect(ledger.used(rules)).toEqual([100, 40, 1_000, 1_000]);
});

test("no more is given back than there is", () => {
  correct(ledger, { rules, amounts, at: now }, { tokens: 0, nanoUsd: 300 }, now);
  expect(ledger.used(rules)).toEqual([0, 0, 0, 0]);
});

const exchangeOf = (id: string, more: Partial<Exchange>): Exchange => sampleExchange({ id, ...more });
const ann: Identity = { auth: "jwt", priority: 0, user: "ann", team: "red" };
const settings = {
  limits: {
    default: {},
    perUser: { tokensPerMinute: 1_000_000 },
    perModel: [],
    total: { tokensPerDay: 10_000_000 },
    outputTokens: 10,
    expireSeconds: 3_600,
  },
  budgets: [{ scope: "user", name: "*", period: "month", usd: 100, softRatio: 0.8, hard: true }],
} as const;

withRedis(
  "one gateway counts in advance and another sets it right: the sum is what was used, whoever tells Redis first",
  async () => {
    await using server = await redisServer();
    const opened = async (gateway: string) => {
      const link = redis({ url: server.url });
      await link.ready(5_000);
      const shared = redisLedger({ redis: link, gateway, wall: Date.now, onFailure: "refuse" });
      const own = allowance({ settings, ledger: shared, wall: Date.now });
      return {
        own,
        shared,
        async [Symbol.asyncDispose]() {
          await own.close();
          await link.close();
        },
      };
    };
    await using one = await opened("one");
    await using two = await opened("two");
    const ask = { identity: ann, model: "m", estimatedTokens: 10_000, estimatedNanoUsd: 5_000_000 };
    for (const [at, real] of [40_000, 900].entries()) {
      const reserved = await one.own.reserve({ id: `made-${at}`, ...ask });
      const {
        tokens: _,
        cost: __,
        ...begun
      } = exchangeOf(`made-${at}`, { operation: "response", responseId: "resp_1" });
      one.own.exporter.export({ ...begun, usageSource: "missing" });
      const provision = JSON.parse(JSON.stringify(reserved.provision)) as Provision;
      two.own.expect(`read-${at}`, provision);
      const cost = {
        status: "custom",
        nanoUsd: real * 100,
        input: 0,
        output: real * 100,
        other: 0,
        price: "x",
      } as const;
      const stated = { operation: "stored_response", responseId: "resp_1", tokens: { output: real }, cost } as const;
      two.own.exporter.export(exchangeOf(`read-${at}`, stated));
      // Once.
      two.own.exporter.export(exchangeOf(`read-${at}`, stated));
    }
    await expect.poll(() => one.shared.pending + two.shared.pending).toBe(0);
    const used = (await one.own.standing()).map(({ rule: { counted: what, period }, used: sum }) => [
      what,
      period,
      sum,
    ]);
    expect(used).toContainEqual(["tokens", "day", 40_900]);
    expect(used).toContainEqual(["money", "month", 4_090_000]);
  },
);

test("nothing is expected of a record that was lost", async () => {
  const own = allowance({ settings: { ...settings, budgets: [] }, ledger, wall: () => now });
  const provision = counted();
  own.expect("x-1", provision);
  own.exporter.lost?.("x-1", undefined);
  own.exporter.export(exchangeOf("x-1", { operation: "stored_response", responseId: "resp_1", tokens: { output: 0 } }));
  expect(ledger.used(rules)).toEqual([100, 100, 1_000, 1_000]);
});
