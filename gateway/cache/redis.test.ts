// The response cache in a real Redis: shared by gateways, binary-safe, forgotten in time, and never in the way.
import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { redis } from "../state/redis.ts";
import { answer, eventStream, json } from "../testing/answers.ts";
import { cachedRoute, cacheScene, cacheSettings } from "../testing/cache-scene.ts";
import { backendAt, startTollgate } from "../testing/harness.ts";
import { metricSamples, sumsBy } from "../testing/metrics-text.ts";
import { chatCompletion, chatEvents, chatRequest } from "../testing/payloads.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { noRedis, type RedisServer, redisServer } from "../testing/redis.ts";
import type { Scene } from "../testing/scene.ts";

const model = "gpt-4o-mini";
const usage = { input: 10, output: 5 };
const question = chatRequest(model, { temperature: 0 });
const path = "/chat/completions";
const said = (content: string) => json(chatCompletion(model, usage, content));

const sharing = ({ url }: RedisServer, more: Partial<typeof cacheSettings> = {}) => ({
  cache: { ...cacheSettings, store: "redis" as const, ...more },
  redis: { url, onFailure: "allow" as const },
});

const sceneOn = (server: RedisServer, script: Parameters<typeof cacheScene>[0] = {}, more = {}) => {
  const { cache, redis: settings } = sharing(server, more);
  return cacheScene({ ...script, cache, config: { redis: settings } });
};

const ask = (url: string, body: unknown = question) =>
  rawRequest(url + path, { headers: [["Content-Type", "application/json"]], body: JSON.stringify(body) });

/** Asks until the gateway has its connection and what was written is there: at first a Redis may not be reached yet. */
const hit = (url: string, body: unknown = question) =>
  expect
    .poll(async () => (await ask(url, body)).header("x-tollgate-cache"), { timeout: 5_000, interval: 20 })
    .toBe("hit");

const cacheErrors = async (stage: Scene) => {
  const samples = metricSamples((await rawRequest(`${stage.tollgate.opsUrl}/metrics`, { method: "GET" })).text);
  return sumsBy(samples, "gateway_exporter_errors_total", ["exporter"]).cache ?? 0;
};

describe.skipIf(noRedis() !== undefined)("with a Redis", () => {
  test("what one gateway asked for, another answers, with what it saved", async () => {
    await using server = await redisServer();
    await using one = await sceneOn(server, { fake: { otherwise: said("from the first") } });
    await hit(one.tollgate.url);
    const asked = one.backend.received.length;
    const two = await startTollgate({
      ...sharing(server),
      routes: [cachedRoute()],
      backends: [backendAt(one.backend.origin)],
    });
    try {
      await hit(two.url);
      const got = await ask(two.url);
      expect(got.text).toContain("from the first");
      await expect.poll(() => two.exchanges.at(-1)?.cacheSaved?.nanoUsd).toBeGreaterThan(0);
      expect(two.exchanges.filter(({ cache }) => cache === "miss")).toEqual([]);
      expect(one.backend.received.length - asked).toBe(two.exchanges.filter(({ cache }) => cache === "bypass").length);
    } finally {
      await two.close();
    }
  });

  test("every byte comes back, and a stream in its pieces", async () => {
    await using server = await redisServer();
    const events = chatEvents({ model, usage, words: ["é", "😀"] });
    const zipped = zlib.gzipSync(JSON.stringify(chatCompletion(model, usage)));
    const headers = [
      ["Content-Type", "application/json"],
      ["Content-Encoding", "gzip"],
    ] as const;
    await using stage = await sceneOn(server, { fake: { otherwise: answer({ headers, body: zipped }) } });
    await hit(stage.tollgate.url);
    expect((await ask(stage.tollgate.url)).body).toEqual(zipped);
    stage.backend.otherwise(eventStream(events));
    const streamed = chatRequest(model, { temperature: 0, stream: true, stream_options: { include_usage: true } });
    await hit(stage.tollgate.url, streamed);
    expect((await ask(stage.tollgate.url, streamed)).text).toBe(events.join(""));
  });

  test("answers have a time to live there, under a name that tells no tenant", async () => {
    await using server = await redisServer();
    await using stage = await sceneOn(server, { fake: { otherwise: said("a") } }, { ttl: 30 });
    await hit(stage.tollgate.url);
    const through = redis({ url: server.url });
    await through.ready(2_000);
    const keys = (await through.call(["KEYS", "tollgate:cache:*"])) as string[];
    expect(keys).toEqual([expect.stringMatching(/^tollgate:cache:1:[\w-]{43}$/)]);
    const left = Number(await through.call(["PTTL", keys[0] ?? ""]));
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThanOrEqual(30_000);
    await through.call(["SET", keys[0] ?? "", "no answer of ours"]);
    const before = await cacheErrors(stage);
    const got = await ask(stage.tollgate.url);
    expect([got.status, got.header("x-tollgate-cache")]).toEqual([200, "miss"]);
    expect(await cacheErrors(stage)).toBe(before + 1);
    await hit(stage.tollgate.url);
    await through.close();
  });

  test("without Redis requests pass by the cache, which is counted; when it is back, so is the cache", async () => {
    await using server = await redisServer();
    await using stage = await sceneOn(server, { fake: { otherwise: said("a") } });
    await hit(stage.tollgate.url);
    await server.kill();
    const before = await cacheErrors(stage);
    const got = await ask(stage.tollgate.url);
    expect([got.status, got.header("x-tollgate-cache")]).toEqual([200, undefined]);
    await expect.poll(() => stage.tollgate.exchanges.at(-1)?.cache).toBe("bypass");
    expect(await cacheErrors(stage)).toBeGreaterThan(before);
    await server.start();
    await hit(stage.tollgate.url);
  });

  test("a Redis that says nothing holds a request up for a moment only", async () => {
    await using server = await redisServer();
    await using stage = await sceneOn(server, { fake: { otherwise: said("a") } });
    await hit(stage.tollgate.url);
    server.stall();
    const got = await ask(stage.tollgate.url);
    server.resume();
    expect([got.status, got.header("x-tollgate-cache")]).toEqual([200, undefined]);
    const own = () => stage.tollgate.exchanges.find(({ id }) => id === got.header("x-request-id"));
    await expect.poll(() => own()?.totalSeconds).toBeLessThan(0.9);
  });
});
