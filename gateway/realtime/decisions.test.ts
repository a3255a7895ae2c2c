// Sessions obey what other requests obey, and give back what they hold: slots, limits and budgets.
import type { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { model, type RealtimeScene, type RealtimeSceneOptions, realtimeScene } from "../testing/realtime-scene.ts";

const done = (tokens: number) =>
  JSON.stringify({ type: "response.done", response: { usage: { input_tokens: 0, output_tokens: tokens } } });

/** 100 tokens at a dollar a million. */
const budget = { period: "day", usd: 0.0001, hard: true, softRatio: 0.8 } as const;

const limits = testConfig().rateLimits;

/** Slots of the backend that are held, as the metrics tell. */
const active = (stage: RealtimeScene) => stage.gauge("active_jobs_total");

/** Sessions at the backend, as the metrics tell. */
const underWay = (stage: RealtimeScene) => stage.gauge("gateway_backend_inflight");

/** Places that sessions hold in the caller's limit of what is open at a time. */
const open = async ({ tollgate }: RealtimeScene) =>
  (await tollgate.allowance.standing()).find(({ rule }) => rule.counted === "streams")?.used;

const oneSlot = { queue: { size: 0, timeout: 1 }, maxConcurrent: 1 };

test.each(["client closes", "client vanishes", "backend closes", "backend vanishes"])(
  "a session holds its slot until it is over (%s), and others are refused meanwhile",
  async (way) => {
    await using stage = await realtimeScene({ backend: oneSlot });
    const here = await stage.connect();
    const there = await stage.there();
    expect(await active(stage)).toBe(1);
    const refused = await stage.knock();
    expect([refused.status, refused.header("retry-after")]).toEqual([503, "1"]);
    if (way === "client closes") here.socket.close(1000);
    if (way === "client vanishes") here.socket.terminate();
    if (way === "backend closes") there.socket.close(1000);
    if (way === "backend vanishes") there.socket.terminate();
    await stage.tollgate.settled(2);
    expect(await active(stage)).toBe(0);
    await stage.connect();
    expect(await active(stage)).toBe(1);
  },
);

test.each(["client closes", "backend vanishes"])(
  "a session counts among what is under way at its backend until it is over (%s)",
  async (way) => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    expect(await underWay(stage)).toBe(1);
    if (way === "client closes") here.socket.close(1000);
    else there.socket.terminate();
    await expect.poll(() => underWay(stage), { timeout: 5_000, interval: 5 }).toBe(0);
  },
);

test("a session that its backend turns down counts there no longer", async () => {
  const upgrade: RealtimeSceneOptions["upgrade"] = (_, socket) =>
    socket.end("HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  await using stage = await realtimeScene({ upgrade });
  expect((await stage.knock()).status).toBe(500);
  await expect.poll(() => underWay(stage), { timeout: 5_000, interval: 5 }).toBe(0);
});

test("who waits behind a session that its backend turns down is served", async () => {
  const asked = Promise.withResolvers<Duplex>();
  const upgrade: RealtimeSceneOptions["upgrade"] = (_, socket) => asked.resolve(socket);
  await using stage = await realtimeScene({ upgrade, backend: { maxConnections: 1 } });
  const refused = stage.knock();
  const socket = await asked.promise;
  const others = Array.from({ length: 3 }, () => rawRequest(`${stage.tollgate.url}/anything`, { method: "GET" }));
  await expect.poll(() => stage.gauge("gateway_queue_depth"), { timeout: 5_000, interval: 5 }).toBe(3);
  socket.end("HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  expect((await refused).status).toBe(500);
  for (const { status } of await Promise.all(others)) expect(status).toBe(200);
});

/** Ways in which a gateway ends a session, and the reason that stands in its record. */
const ends: readonly (readonly [string, string, RealtimeSceneOptions, (stage: RealtimeScene) => Promise<void>])[] = [
  ["is cut off as the gateway goes down", "shutting_down", {}, async ({ tollgate }) => tollgate.gateway.abort()],
  [
    "has had all its time",
    "timeout",
    { backend: { ...oneSlot, timeouts: { connect: 5, firstByte: 5, idle: 60, total: 0.2 } } },
    async () => {},
  ],
  ["has used up its limit", "rate_limited", {}, async (stage) => (await stage.there()).socket.send(done(1_000))],
];

test.each(ends)("a session that %s gives back its slot and its place among what is open", async (_, why, more, end) => {
  await using stage = await realtimeScene({
    backend: oneSlot,
    config: { rateLimits: { ...limits, outputTokens: 10, default: { concurrent: 1, tokensPerDay: 500 } } },
    ...more,
  });
  const here = await stage.connect();
  expect([await active(stage), await open(stage)]).toEqual([1, 1]);
  await end(stage);
  await here.closed;
  await stage.tollgate.settled(1);
  expect([await active(stage), await open(stage)]).toEqual([0, 0]);
  expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: why, status: 101 });
});

test("a session that is refused while another has the place gives nothing back, and gets it afterwards", async () => {
  await using stage = await realtimeScene({ config: { rateLimits: { ...limits, default: { concurrent: 1 } } } });
  const here = await stage.connect();
  expect((await stage.knock()).status).toBe(429);
  expect(await open(stage)).toBe(1);
  here.socket.close(1000);
  await stage.tollgate.settled(2);
  await stage.connect();
  expect(await open(stage)).toBe(1);
});

test("a session counts as a request, and one too many is told of the limit", async () => {
  await using stage = await realtimeScene({
    config: { rateLimits: { ...limits, default: { requestsPerMinute: 1 } } },
  });
  const first = await stage.rawSession();
  expect(first.header("x-ratelimit-remaining-requests")).toBe("0");
  const refused = await stage.knock();
  expect(refused.status).toBe(429);
  expect(refused.header("x-ratelimit-limit-requests")).toBe("1");
  expect(Number(refused.header("retry-after"))).toBeGreaterThan(0);
});

test("a session whose tokens are used up ends after the response, with an error event, and is recorded once", async () => {
  await using stage = await realtimeScene({
    config: { rateLimits: { ...limits, outputTokens: 10, default: { tokensPerMinute: 100 } } },
  });
  const here = await stage.connect(`?model=${model}`);
  const there = await stage.there();
  there.socket.send(done(60));
  await here.got(1);
  there.socket.send(done(35));
  expect(await here.closed).toEqual({ code: 1013, reason: "token_limit" });
  expect(here.texts).toHaveLength(3);
  expect(JSON.parse(here.texts[2] ?? "")).toMatchObject({ type: "error", error: { code: "rate_limit_exceeded" } });
  const exchange = await stage.onlyExchange();
  expect(exchange).toMatchObject({
    tokens: { output: 95 },
    outcome: { kind: "refused", reason: "rate_limited", status: 101 },
    attempts: [{ result: "abandoned", status: 101 }],
  });
});

describe("responses that overlap", () => {
  const created = JSON.stringify({ type: "response.created", response: {} });
  const spending = async () => {
    const stage = await realtimeScene({
      config: { rateLimits: { ...limits, outputTokens: 10, default: { tokensPerDay: 100 } } },
    });
    const here = await stage.connect();
    return { stage, here, there: await stage.there() };
  };

  test("are both heard to their end, and counted, before there is an end for want of room", async () => {
    const { stage, here, there } = await spending();
    await using _ = stage;
    for (const event of [created, created, done(95), "still speaking", done(40)]) there.socket.send(event);
    expect(await here.closed).toEqual({ code: 1013, reason: "token_limit" });
    expect(here.texts.slice(0, 5)).toEqual([created, created, done(95), "still speaking", done(40)]);
    expect(here.texts).toHaveLength(6);
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ tokens: { output: 135 }, outcome: { reason: "rate_limited" } });
    expect((await stage.tollgate.allowance.standing()).map(({ used }) => used)).toEqual([135]);
  });

  test("do not keep a session open for ever", async () => {
    const { stage, here, there } = await spending();
    await using _ = stage;
    for (const event of [created, created, done(95), created, done(40)]) there.socket.send(event);
    expect(await here.closed).toEqual({ code: 1013, reason: "token_limit" });
    expect((await stage.onlyExchange()).tokens).toEqual({ input: 0, output: 135 });
  });
});

test("a session that is out of a hard budget ends after the response, and no other is opened", async () => {
  const keys = keyRing();
  const headers = { authorization: `Bearer ${keys.add("k1", { budgets: [budget], limits: { concurrent: 1 } })}` };
  await using stage = await realtimeScene({
    admitting: { keys },
    config: {
      rateLimits: { ...limits, outputTokens: 10 },
      prices: [{ model: "*", inputPerMillion: 1, outputPerMillion: 1, origin: "config" }],
    },
  });
  const here = await stage.connect(undefined, { headers });
  const there = await stage.there();
  there.socket.send(done(95));
  expect(await here.closed).toEqual({ code: 1008, reason: "budget_exceeded" });
  expect(JSON.parse(here.texts[1] ?? "")).toMatchObject({ type: "error", error: { code: "budget_exceeded" } });
  await stage.tollgate.settled(1);
  expect([await active(stage), await open(stage)]).toEqual([0, 0]);
  await expect(stage.connect(undefined, { headers })).rejects.toThrow("402");
  await stage.tollgate.settled(2);
  expect(stage.tollgate.exchanges).toMatchObject([
    { outcome: { kind: "refused", reason: "budget", status: 101 } },
    { outcome: { kind: "refused", reason: "budget", status: 402 }, attempts: [] },
  ]);
});
