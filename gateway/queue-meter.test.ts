// Facts about what metrics tell of a backend's queue, breaker and health, over a running gateway.
import { expect, test, vi } from "vitest";
import { answer } from "./testing/answers.ts";
import { backendAt, testConfig } from "./testing/harness.ts";
import { type MetricSample, metricSamples, sumsBy } from "./testing/metrics-text.ts";
import { rawConnection, rawRequest, requestBytes } from "./testing/raw-client.ts";
import { type Scene, scene } from "./testing/scene.ts";

const chat = JSON.stringify({ model: "m", messages: [] });
const good = answer({ headers: [["Content-Type", "application/json"]], body: '{"choices":[]}' });
const queueOf = (name: string) => ({ service: "gateway", queue_name: `backend:${name}` });

const samples = async (stage: Scene): Promise<readonly MetricSample[]> =>
  metricSamples((await rawRequest(`${stage.tollgate.opsUrl}/metrics`, { method: "GET" })).text);

/** The value of the one series that has these labels and no others; `undefined` where there is none. */
const readingOf = (all: readonly MetricSample[], name: string, labels: Readonly<Record<string, string>>) =>
  all.find((one) => one.name === name && sorted(one.labels) === sorted(labels))?.value;

const sorted = (labels: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(labels).sort());

/** What waits and what runs in the fake's queue. */
const filled = async (stage: Scene) => {
  const all = await samples(stage);
  const { queue_name } = queueOf("fake");
  return [readingOf(all, "active_jobs_total", queueOf("fake")), readingOf(all, "gateway_queue_depth", { queue_name })];
};

async function begin(stage: Scene) {
  const url = stage.at("/chat/completions");
  const connection = await rawConnection(url);
  await connection.send(requestBytes(url, { headers: [["Content-Type", "application/json"]], body: chat }));
  return connection;
}

test("everything about a configured backend exists at 0 before its first request", async () => {
  await using stage = await scene();
  const all = await samples(stage);
  const labels = queueOf("fake");
  const { queue_name } = labels;
  for (const [name, more] of [
    ["active_jobs_total", labels],
    ["gateway_queue_depth", { queue_name }],
    ["gateway_queue_wait_seconds_count", { queue_name }],
    ["queue_job_duration_seconds_count", { ...labels, job_type: "chat" }],
    ...["queue_full", "queue_timeout", "abandoned", "shutting_down"].map(
      (error_type) => ["queue_failures_total", { ...labels, error_type }] as const,
    ),
    ["gateway_backend_breaker_state", { backend: "fake", state: "open" }],
    ["gateway_backend_breaker_state", { backend: "fake", state: "half_open" }],
  ] as const)
    expect([name, readingOf(all, name, more)]).toEqual([name, 0]);
  expect(readingOf(all, "gateway_backend_breaker_state", { backend: "fake", state: "closed" })).toBe(1);
  expect(readingOf(all, "gateway_backend_up", { backend: "fake" })).toBe(1);
});

test("one runs, one waits, one is refused, one leaves: each is told of, and the backend sees only who had a slot", async () => {
  const hold = Promise.withResolvers<void>();
  await using stage = await scene({
    backend: { maxConcurrent: 1, queue: { size: 1, timeout: 60 } },
    script: [answer({ headers: [["Content-Type", "application/json"]], body: '{"choices":[]}', delay: hold.promise })],
  });
  stage.backend.otherwise(good);
  const first = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 0]));
  const leaving = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 1]));
  const full = await stage.post("/chat/completions", chat);
  expect([full.status, full.header("retry-after")]).toEqual([503, "2"]);
  expect(full.json()).toMatchObject({ error: { code: "queue_full" } });
  leaving.leave();
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 0]));
  const second = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 1]));
  hold.resolve();
  expect([(await first.answer()).status, (await second.answer()).status]).toEqual([200, 200]);
  await stage.tollgate.settled(4);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([0, 0]));
  expect(stage.backend.received).toHaveLength(2);
  const all = await samples(stage);
  expect(sumsBy(all, "queue_failures_total", ["error_type"])).toEqual({ queue_full: 1, abandoned: 1 });
  expect(sumsBy(all, "gateway_queue_wait_seconds_count", ["queue_name"])).toEqual({ "backend:fake": 3 });
  expect(sumsBy(all, "queue_job_duration_seconds_count", ["job_type"])).toEqual({ chat: 2 });
  expect(sumsBy(all, "gateway_backend_inflight_limit", ["backend"])).toEqual({ fake: 1 });
});

test("who waits too long gets 503 with Retry-After", async () => {
  const hold = Promise.withResolvers<void>();
  await using stage = await scene({
    backend: { maxConcurrent: 1, queue: { size: 5, timeout: 0.05 } },
    script: [answer({ headers: [["Content-Type", "application/json"]], body: '{"choices":[]}', delay: hold.promise })],
  });
  const first = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 0]));
  const late = await stage.post("/chat/completions", chat);
  expect([late.status, late.header("retry-after")]).toEqual([503, "1"]);
  expect(late.json()).toMatchObject({ error: { code: "queue_timeout" } });
  hold.resolve();
  expect((await first.answer()).status).toBe(200);
  expect(sumsBy(await samples(stage), "queue_failures_total", ["error_type"])).toEqual({ queue_timeout: 1 });
});

test("a backend that fails is left alone: open and down in metrics, 503 with Retry-After at once, and nothing reaches it", async () => {
  await using stage = await scene();
  stage.backend.otherwise(answer({ status: 500, reason: "Oh" }));
  for (let failure = 0; failure < 5; failure += 1) await stage.post("/chat/completions", chat);
  const refused = await stage.post("/chat/completions", chat);
  expect([refused.status, refused.header("retry-after")]).toEqual([503, "5"]);
  expect(refused.json()).toMatchObject({ error: { code: "no_backend_up" } });
  expect(stage.backend.received).toHaveLength(5);
  const all = await samples(stage);
  expect(sumsBy(all, "gateway_backend_breaker_state", ["state"])).toEqual({ open: 1 });
  expect(readingOf(all, "gateway_backend_up", { backend: "fake" })).toBe(0);
});

test("a health check that fails puts a backend down without any traffic, makes no exchange, and ends with the gateway", async () => {
  await using stage = await scene({
    backend: { healthCheck: { path: "/health", every: 0.01, timeout: 1, healthy: 1, unhealthy: 2 } },
    fake: { otherwise: answer({ status: 500, reason: "Oh" }) },
  });
  const up = async () => readingOf(await samples(stage), "gateway_backend_up", { backend: "fake" });
  await vi.waitFor(async () => expect(await up()).toBe(0), 5_000);
  stage.backend.otherwise(good);
  await vi.waitFor(async () => expect(await up()).toBe(1), 5_000);
  expect(stage.backend.received.every(({ target }) => target === "/health")).toBe(true);
  await stage.tollgate.close();
  expect(stage.tollgate.exchanges).toEqual([]);
});

test("metrics follow a reload: the gauges of a backend that is gone go, those of a new one are there at 0", async () => {
  await using stage = await scene();
  const config = testConfig();
  const next = { ...backendAt(stage.backend.origin), name: "next", maxConcurrent: 7 };
  stage.tollgate.gateway.reload({ ...config, backends: [next] });
  const all = await samples(stage);
  expect(all.filter(({ labels }) => labels.backend === "fake").map(({ name }) => name)).not.toContain(
    "gateway_backend_breaker_state",
  );
  expect(readingOf(all, "active_jobs_total", queueOf("fake"))).toBeUndefined();
  expect(readingOf(all, "active_jobs_total", queueOf("next"))).toBe(0);
  expect(readingOf(all, "queue_failures_total", { ...queueOf("next"), error_type: "queue_full" })).toBe(0);
  expect(readingOf(all, "gateway_backend_inflight_limit", { backend: "next" })).toBe(7);
});

test("a reload that is refused changes nothing, queues among it", async () => {
  await using stage = await scene({ backend: { maxConcurrent: 3 } });
  const next = { ...backendAt(stage.backend.origin), maxConcurrent: 7 };
  const prices = [{ model: "m", origin: "config: prices[0]" }];
  const newcomer = { ...backendAt(stage.backend.origin), name: "newcomer" };
  const reload = () => stage.tollgate.gateway.reload({ ...testConfig(), backends: [next, newcomer], prices });
  expect(reload).toThrow("config: prices[0] sets no price; give it an amount, sameAs, or free: true.");
  const all = await samples(stage);
  expect(readingOf(all, "gateway_backend_inflight_limit", { backend: "fake" })).toBe(3);
  expect(all.filter(({ labels }) => labels.queue_name === "backend:newcomer")).toEqual([]);
});

test("a reload with new limits lets in who waits", async () => {
  const hold = Promise.withResolvers<void>();
  await using stage = await scene({
    backend: { maxConcurrent: 1 },
    script: [answer({ headers: [["Content-Type", "application/json"]], body: '{"choices":[]}', delay: hold.promise })],
  });
  stage.backend.otherwise(good);
  const first = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 0]));
  const second = await begin(stage);
  await vi.waitFor(async () => expect(await filled(stage)).toEqual([1, 1]));
  stage.tollgate.gateway.reload({
    ...testConfig(),
    backends: [backendAt(stage.backend.origin, { maxConcurrent: 2 })],
  });
  expect((await second.answer()).status).toBe(200);
  hold.resolve();
  expect((await first.answer()).status).toBe(200);
});
