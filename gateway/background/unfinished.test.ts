// Where unfinished responses are remembered: in memory, in the data folder over restarts, and in Redis for many gateways.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { lateDatabase } from "../state/late-database.ts";
import { type Redis, redis } from "../state/redis.ts";
import { json } from "../testing/answers.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { type Gateway, gatewayProcess } from "../testing/program.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { noRedis, type RedisServer, redisServer } from "../testing/redis.ts";
import { type Entry, keptMillis, Unfinished, type UnfinishedStore } from "./unfinished.ts";
import { redisUnfinished } from "./unfinished-redis.ts";
import { sqliteUnfinished } from "./unfinished-sqlite.ts";

const missing = noRedis();
const withRedis = missing === undefined ? test : test.skip;
const patience = { timeout: 10_000, interval: 10 };
const entry: Entry = {
  backend: "a",
  model: "o3",
  provision: {
    rules: [{ id: "key:k1:money:month", counted: "money", period: "month" }],
    amounts: { tokens: 5, nanoUsd: 7 },
    at: 9,
  },
};

let folder: string;
let server: RedisServer;
let closing: (() => unknown)[] = [];
let told: unknown[];

beforeAll(async () => {
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterAll(() => server?.[Symbol.asyncDispose]());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-unfinished-"));
  told = [];
});
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
  rmSync(folder, { recursive: true });
});

const over = (store?: UnfinishedStore) =>
  new Unfinished({ ...(store && { store }), failed: (error) => void told.push(error) });

function inFolder(now: () => number = Date.now): Unfinished {
  const database = lateDatabase(folder);
  closing.push(() => database.close());
  return over(sqliteUnfinished({ database, now }));
}

async function inRedis(): Promise<Unfinished> {
  const link: Redis = redis({ url: server.url, stalledMillis: 200 });
  closing.push(() => link.close());
  await link.ready(5_000);
  return over(redisUnfinished(link));
}

describe("each place", () => {
  const inMemory = () => {
    const one = over();
    return [one, one] as const;
  };
  const places = [
    { place: "memory", facts: test, open: inMemory },
    { place: "data folder", facts: test, open: () => [inFolder(), inFolder()] as const },
    { place: "Redis", facts: withRedis, open: async () => [await inRedis(), await inRedis()] as const },
  ];
  for (const { place, facts, open } of places) {
    facts(`${place}: one that began is found until it has ended, which it does once`, async () => {
      const [here, there] = await open();
      expect(await there.find("resp_1")).toBeUndefined();
      here.began("resp_1", entry);
      expect(await here.find("resp_1")).toEqual(entry);
      await vi.waitFor(async () => expect(await there.find("resp_1")).toEqual(entry), patience);
      const ends = await Promise.all([here.ended("resp_1"), there.ended("resp_1"), here.ended("resp_1")]);
      expect(ends.filter(Boolean)).toEqual([true]);
      expect([await here.find("resp_1"), await there.find("resp_1")]).toEqual([undefined, undefined]);
      expect(await there.ended("resp_1")).toBe(false);
      expect(told).toEqual([]);
    });
  }
});

test("nothing is written while nothing is unfinished", async () => {
  const one = inFolder();
  expect([await one.find("resp_1"), await one.ended("resp_1")]).toEqual([undefined, false]);
  expect(readdirSync(folder)).toEqual([]);
});

test("what nobody asked for in 60 days is forgotten", async () => {
  let now = 1_000;
  const one = inFolder(() => now);
  one.began("resp_old", entry);
  await vi.waitFor(async () => expect(await inFolder().find("resp_old")).toEqual(entry), patience);
  now += keptMillis + 1;
  one.began("resp_new", entry);
  await vi.waitFor(async () => expect(await inFolder().find("resp_new")).toEqual(entry), patience);
  expect(await inFolder().find("resp_old")).toBeUndefined();
});

test("an id that is longer than ids are is no id", async () => {
  const one = over();
  one.began("r".repeat(257), entry);
  expect(await one.find("r".repeat(257))).toBeUndefined();
});

test("what a store does not take, or give, is told of, and what began here is known here", async () => {
  const broken = () => {
    throw new Error("the disk is full");
  };
  const one = over({ write: broken, read: broken, remove: broken });
  one.began("resp_1", entry);
  await vi.waitFor(() => expect(told).toHaveLength(1), patience);
  expect(await one.find("resp_1")).toEqual(entry);
  expect([await one.ended("resp_1"), await one.ended("resp_1")]).toEqual([true, false]);
  expect(await one.find("resp_2")).toBeUndefined();
  expect(told.map(String)).toEqual(Array.from({ length: 3 }, () => "Error: the disk is full"));
});

describe("a gateway", () => {
  const state = { id: "resp_1", object: "response", background: true, model: "m", output: [] };
  const usage = { input_tokens: 1_000, output_tokens: 2_000, total_tokens: 3_000 };
  let backend: FakeBackend;

  beforeAll(async () => {
    backend = await fakeBackend({
      otherwise: (turn) => {
        const isNew = turn.request.method === "POST";
        const now = isNew ? { status: "queued", usage: null } : { status: "completed", usage };
        return json({ ...state, ...now })(turn);
      },
    });
  });
  afterAll(() => backend.close());

  const options = (env: Record<string, string> = {}) => ({
    env: { TOLLGATE_DATA_DIR: folder, ...env },
    config: [
      "demo: false",
      `backends: [{ name: fake, provider: openai, baseUrl: "${backend.url}/v1", models: ["*"] }]`,
      "prices: [{ model: m, inputPerMillion: 1, outputPerMillion: 2 }]",
    ].join("\n"),
  });
  const create = ({ url }: Gateway) =>
    rawRequest(`${url}/responses`, {
      headers: [["Content-Type", "application/json"]],
      body: JSON.stringify({ model: "m", input: "?", background: true }),
    });
  const look = ({ url }: Gateway) => rawRequest(`${url}/responses/resp_1`, { method: "GET" });

  test("that was killed meanwhile counts what it began before", async () => {
    {
      await using first = await gatewayProcess(options());
      expect((await create(first)).status).toBe(200);
      await first.line({ response_id: "resp_1", usage_source: "missing" });
      await vi.waitFor(async () => expect(await inFolder().find("resp_1")).toBeDefined(), patience);
    }
    await using second = await gatewayProcess(options());
    await look(second);
    await second.line({ response_id: "resp_1", usage_source: "provider", model: "m", cost_nano_usd: 5_000_000 });
  });

  withRedis("counts what began at another one, and neither counts it twice", async () => {
    const shared = options({ REDIS_URL: server.url });
    await using one = await gatewayProcess(shared);
    await using two = await gatewayProcess(shared);
    await create(one);
    await vi.waitFor(async () => expect(await (await inRedis()).find("resp_1")).toBeDefined(), patience);
    for (const gateway of [two, one, two]) await look(gateway);
    await two.line({ response_id: "resp_1", usage_source: "provider" });
    const spent = async (gateway: Gateway) => {
      const samples = await gateway.metric("token_spend_total", { model: "m" });
      return samples.reduce((sum, { value }) => sum + value, 0);
    };
    expect([await spent(one), await spent(two)]).toEqual([0, 3_000]);
  });
});
