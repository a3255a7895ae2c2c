// Sessions obey what other requests obey: breaker, queue, limits and budgets.
import { expect, test } from "vitest";
import { testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { metricSamples, sumsBy } from "../testing/metrics-text.ts";
import { model, type RealtimeScene, realtimeScene } from "../testing/realtime-scene.ts";

const done = (tokens: number) =>
  JSON.stringify({ type: "response.done", response: { usage: { input_tokens: 0, output_tokens: tokens } } });

/** 100 tokens at a dollar a million. */
const budget = { period: "day", usd: 0.0001, hard: true, softRatio: 0.8 } as const;

const limits = testConfig().rateLimits;

/** Slots of the backend that are held, as the metrics tell. */
async function active(stage: RealtimeScene) {
  const text = await (await fetch(`${stage.tollgate.opsUrl}/metrics`)).text();
  return sumsBy(metricSamples(text), "active_jobs_total", ["queue_name"])["backend:fake"] ?? 0;
}

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

test("failed dials open the breaker, which then refuses before any backend is asked", async () => {
  await using stage = await realtimeScene({ upgrade: (_, socket) => socket.destroy() });
  for (let i = 0; i < 5; i++) expect((await stage.knock()).status).toBe(502);
  const refused = await stage.knock();
  expect(refused.status).toBe(503);
  expect(Number(refused.header("retry-after"))).toBeGreaterThan(0);
  expect(stage.asked).toHaveLength(5);
  await stage.tollgate.settled(6);
  expect(stage.tollgate.exchanges.at(-1)).toMatchObject({ attempts: [], outcome: { reason: "no_backend_up" } });
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

test("a session that is out of a hard budget ends after the response, and no other is opened", async () => {
  const keys = keyRing();
  const headers = { authorization: `Bearer ${keys.add("k1", { budgets: [budget] })}` };
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
  await expect(stage.connect(undefined, { headers })).rejects.toThrow("402");
  await stage.tollgate.settled(2);
  expect(stage.tollgate.exchanges).toMatchObject([
    { outcome: { kind: "refused", reason: "budget", status: 101 } },
    { outcome: { kind: "refused", reason: "budget", status: 402 }, attempts: [] },
  ]);
});
