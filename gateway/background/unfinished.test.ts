// Where unfinished responses are remembered: in memory, in the data folder over restarts, and in Redis for many gateways.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { fadingMillis } from "../admission/bound-ids.ts";
import { databaseFile } from "../state/database.ts";
import { lateDatabase } from "../state/late-database.ts";
import { type Redis, redis } from "../state/redis.ts";
import { json } from "../testing/answers.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { type Gateway, gatewayProcess } from "../testing/program.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { noRedis, type RedisServer, redisServer } from "../testing/redis.ts";
import { type Entry, Unfinished, type UnfinishedStore } from "./unfinished.ts";
import { redisUnfinished } from "./unfinished-redis.ts";
import { sqliteUnfinished } from "./unfinished-sqlite.ts";

const missing = noRedis();
const withRedis = missing === undefined ? test : test.skip;
const patience = { timeout: 10_000, interval: 10 };
const entry: Entry = {
  begunBy: "x-1",
  model: "o3",
  sent: "o3-2025-04-16",
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

async function linked(): Promise<Redis> {
  const link = redis({ url: server.url, stalledMillis: 200 });
  closing.push(() => link.close());
  await link.ready(5_000);
  return link;
}

const inRedis = async (): Promise<Unfinished> => over(redisUnfinished(await linked()));

/** How many are kept in the data folder. */
function rows(): number {
  if (!existsSync(databaseFile(folder))) return 0;
  const database = new DatabaseSync(databaseFile(folder), { readOnly: true });
  try {
    return Number(database.prepare("SELECT count(*) AS n FROM unfinished").get()?.n);
  } catch {
    return 0;
  } finally {
    database.close();
  }
}
const written = (count: number) => vi.waitFor(() => expect(rows()).toBe(count), patience);

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
    facts(`${place}: what began is for one who claims it, at once or later, and for nobody else`, async () => {
      const [here, there] = await open();
      expect(await there.claim("a", "resp_0")).toBeUndefined();
      here.began("a", "resp_0", entry);
      expect(await here.claim("b", "resp_0")).toBeUndefined();
      expect(await here.claim("a", "resp_0")).toEqual(entry);
      expect([await here.claim("a", "resp_0"), await there.claim("a", "resp_0")]).toEqual([undefined, undefined]);
      here.began("a", "resp_1", entry);
      const claimed: Entry[] = [];
      await vi.waitFor(async () => {
        const some = await Promise.all([there, here, there].map((one) => one.claim("a", "resp_1")));
        claimed.push(...some.filter((one) => one !== undefined));
        expect(claimed).toEqual([entry]);
      }, patience);
      expect(await there.claim("a", "resp_1")).toBeUndefined();
      // Some engines begin to number anew.
      const another = { ...entry, begunBy: "x-2", model: "another" };
      const [once, twice] = ["resp_1", "resp_2"];
      here.began("a", twice, entry);
      await here.flush();
      for (const id of [once, twice]) here.began("a", id, another);
      await here.flush();
      expect([await there.claim("a", once), await there.claim("a", twice)]).toEqual([another, another]);
      expect(told).toEqual([]);
    });
  }
});

test("what begins again under the same name while the first is claimed is claimed for itself", async () => {
  const asked = Promise.withResolvers<undefined>();
  const full = () => {
    throw new Error("full");
  };
  const one = over({ write: full, take: () => asked.promise });
  one.began("a", "resp_1", entry);
  const first = one.claim("a", "resp_1");
  await vi.waitFor(() => expect(told).toHaveLength(1), patience);
  const another = { ...entry, begunBy: "x-2" };
  one.began("a", "resp_1", another);
  asked.resolve(undefined);
  await first;
  expect(await one.claim("a", "resp_1")).toEqual(another);
});

test("what is left is written at the end", async () => {
  const kept: string[] = [];
  let isBusy = true;
  const one = over({
    write(key) {
      if (isBusy) throw new Error("busy");
      kept.push(key);
    },
    take: () => undefined,
  });
  one.began("a", "resp_1", entry);
  await vi.waitFor(() => expect(told).toHaveLength(1), patience);
  isBusy = false;
  await one.flush();
  expect(kept).toEqual(["a/resp_1"]);
});

test("an answer that brings usage waits for no other process that writes, where nothing is unfinished", async () => {
  const one = inFolder();
  one.began("a", "resp_1", entry);
  await written(1);
  const other = new DatabaseSync(databaseFile(folder));
  closing.push(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  expect(await one.claim("a", "resp_0")).toBeUndefined();
  expect(told).toEqual([]);
  expect(await one.claim("a", "resp_1")).toBeUndefined();
  expect(told).toHaveLength(1);
  other.exec("COMMIT");
  expect(await one.claim("a", "resp_1")).toEqual(entry);
});

test("nothing is written while nothing is unfinished", async () => {
  expect(await inFolder().claim("a", "resp_1")).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("what nobody asked for in 60 days is forgotten", async () => {
  let now = 1_000;
  const one = inFolder(() => now);
  one.began("a", "resp_old", entry);
  await written(1);
  now += fadingMillis + 1;
  one.began("a", "resp_new", entry);
  expect(await inFolder().claim("a", "resp_old")).toBeUndefined();
  expect(rows()).toBe(1);
});

test("what a store does not take is told of, known here, and written as soon as it does", async () => {
  const kept = new Map<string, string>();
  let isFull = true;
  const one = over({
    write(key, _, text) {
      if (isFull) throw new Error("the disk is full");
      kept.set(key, text);
    },
    take: () => undefined,
  });
  one.began("a", "resp_1", entry);
  one.began("a", "resp_2", entry);
  expect(await one.claim("a", "resp_1")).toEqual(entry);
  isFull = false;
  await vi.waitFor(() => expect([...kept.keys()]).toEqual(["a/resp_2"]), patience);
  expect(told.map(String)).toEqual(["Error: the disk is full", "Error: the disk is full"]);
});

test("while a store cannot tell who was first, nobody is; and then one is", async () => {
  let isAway = true;
  const away = () => {
    if (isAway) throw new Error("away");
    return undefined;
  };
  const one = over({ write: away, take: away });
  one.began("a", "resp_1", entry);
  expect(await one.claim("a", "resp_1")).toBeUndefined();
  isAway = false;
  expect(await one.claim("a", "resp_1")).toEqual(entry);
  expect(await one.claim("a", "resp_1")).toBeUndefined();
});

test.each(["null", "5", "{", "{}", '{"begunBy":"x","provision":{"rules":[],"amounts":{},"at":1}}'])(
  "what is no entry in a store is told of, and none: %s",
  async (text) => {
    const one = over({ write() {}, take: () => text });
    expect(await one.claim("a", "resp_1")).toBeUndefined();
    expect(told).toHaveLength(1);
  },
);

withRedis("a write that came to Redis, although its answer did not, is claimed once", async () => {
  const far = await inRedis();
  const store = redisUnfinished(await linked());
  const near = over({
    ...store,
    async write(key, begunBy, text) {
      await store.write(key, begunBy, text);
      throw new Error("no answer came");
    },
  });
  near.began("a", "resp_lost", entry);
  const claims = [await near.claim("a", "resp_lost"), await near.claim("a", "resp_lost")];
  expect([...claims, await far.claim("a", "resp_lost")]).toEqual([entry, undefined, undefined]);
});

withRedis("what was claimed before its write came to Redis is not to be had from there afterwards", async () => {
  const store = redisUnfinished(await linked());
  const near = over({
    ...store,
    write() {
      throw new Error("it is still on its way");
    },
  });
  near.began("a", "resp_late", entry);
  expect(await near.claim("a", "resp_late")).toEqual(entry);
  await store.write("a/resp_late", entry.begunBy, JSON.stringify(entry));
  expect(await (await inRedis()).claim("a", "resp_late")).toBeUndefined();
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
      await written(1);
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
    const link = await linked();
    const kept = () => link.call(["GET", "{tollgate}:unfinished:fake/resp_1"]);
    await vi.waitFor(async () => expect(await kept()).toContain('"model":"m"'), patience);
    for (const gateway of [two, one, two]) await look(gateway);
    const recorded = () => [one, two].flatMap((gateway) => gateway.lines().filter(({ method }) => method === "GET"));
    await vi.waitFor(() => expect(recorded()).toHaveLength(3), patience);
    const spent = async (gateway: Gateway) => {
      const samples = await gateway.metric("token_spend_total", { model: "m" });
      return samples.reduce((sum, { value }) => sum + value, 0);
    };
    expect((await spent(one)) + (await spent(two))).toBe(3_000);
  });
});
