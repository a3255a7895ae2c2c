import { expect, test } from "vitest";
import type { MetricName } from "./catalogue.ts";
import { type Registry, registry } from "./registry.ts";

const points = (metrics: Registry, name: MetricName) =>
  metrics.snapshot().find((family) => family.name === name)?.points ?? [];

const values = (metrics: Registry, name: MetricName) =>
  points(metrics, name).map((point) => ("value" in point ? point.value : point.count));

test("one label set is one cell, however often it is asked for", () => {
  const metrics = registry();
  metrics.counter("gateway_config_reloads_total", { result: "success" }).add(1);
  metrics.counter("gateway_config_reloads_total", { result: "success" }).add(2);
  metrics.counter("gateway_config_reloads_total", { result: "failure" }).add(5);
  expect(points(metrics, "gateway_config_reloads_total")).toEqual([
    { labels: { result: "success" }, value: 3 },
    { labels: { result: "failure" }, value: 5 },
  ]);
});

test("labels come in the order of the catalogue, whatever order they are given in", () => {
  const metrics = registry();
  metrics.counter("gateway_rejections_total", { key: "k", reason: "auth" }).add(1);
  metrics.counter("gateway_rejections_total", { reason: "auth", key: "k" }).add(1);
  expect(points(metrics, "gateway_rejections_total").map(({ labels }) => Object.keys(labels))).toEqual([
    ["reason", "key"],
  ]);
});

test("a metric without values is no family", () => {
  expect(registry().snapshot()).toEqual([]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1])(
  "a counter and a histogram refuse %d, and that is counted",
  (poison) => {
    const metrics = registry();
    const counter = metrics.counter("gateway_config_reloads_total", { result: "success" });
    const histogram = metrics.histogram("gateway_overhead_seconds", { operation: "chat" });
    counter.add(2);
    counter.add(poison);
    histogram.observe(0.5);
    histogram.observe(poison);
    expect(values(metrics, "gateway_config_reloads_total")).toEqual([2]);
    expect(points(metrics, "gateway_overhead_seconds")).toMatchObject([{ count: 1, sum: 0.5 }]);
    expect(points(metrics, "gateway_metric_values_rejected_total")).toEqual([
      { labels: { metric: "gateway_config_reloads_total" }, value: 1 },
      { labels: { metric: "gateway_overhead_seconds" }, value: 1 },
    ]);
  },
);

test("a sum that would overflow stays finite", () => {
  const metrics = registry();
  const counter = metrics.counter("gateway_config_reloads_total", { result: "success" });
  counter.add(Number.MAX_VALUE);
  counter.add(Number.MAX_VALUE);
  expect(values(metrics, "gateway_config_reloads_total")).toEqual([Number.MAX_VALUE]);
});

test("a histogram's bounds are inclusive and what is beyond them all is kept", () => {
  const metrics = registry();
  const cell = metrics.histogram("gen_ai_client_token_usage", {
    gen_ai_operation_name: "chat",
    gen_ai_provider_name: "p",
    gen_ai_request_model: "m",
    gen_ai_response_model: "m",
    gen_ai_token_type: "input",
  });
  for (const tokens of [0, 1, 2, 4, 5, 67108864, 67108865]) cell.observe(tokens);
  expect(points(metrics, "gen_ai_client_token_usage")).toMatchObject([
    { count: 7, sum: 134217741, counts: [2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1] },
  ]);
});

test("an optional label is absent where it is not given, and a failure is a label set of its own", () => {
  const metrics = registry();
  const labels = {
    gen_ai_operation_name: "chat",
    gen_ai_provider_name: "p",
    gen_ai_request_model: "m",
    gen_ai_response_model: "m",
  };
  metrics.histogram("gen_ai_client_operation_duration_seconds", labels).observe(1);
  metrics.histogram("gen_ai_client_operation_duration_seconds", { ...labels, error_type: "timeout" }).observe(1);
  expect(points(metrics, "gen_ai_client_operation_duration_seconds").map((point) => point.labels)).toEqual([
    labels,
    { ...labels, error_type: "timeout" },
  ]);
});

test("a gauge is set, moved, read at the snapshot, and removed", () => {
  const metrics = registry();
  const streams = metrics.gauge("gateway_open_streams");
  streams.set(3);
  streams.add(-1);
  const users = metrics.gauge("active_users_total", { service: "gateway" });
  let seen = 7;
  users.pull(() => seen);
  expect([values(metrics, "gateway_open_streams"), values(metrics, "active_users_total")]).toEqual([[2], [7]]);
  seen = 8;
  streams.remove();
  expect([values(metrics, "gateway_open_streams"), values(metrics, "active_users_total")]).toEqual([[], [8]]);
  metrics.gauge("gateway_open_streams").set(1);
  expect(values(metrics, "gateway_open_streams")).toEqual([1]);
});

test("a reading that throws is left out and counted, in the same snapshot", () => {
  const metrics = registry();
  metrics.gauge("process_open_fds").pull(() => {
    throw new Error("no such list");
  });
  metrics.gauge("gateway_open_streams").set(1);
  const snapshot = metrics.snapshot();
  expect(snapshot.map(({ name }) => name)).toEqual(["gateway_open_streams", "gateway_metric_values_rejected_total"]);
});

test("a counter that is read never falls", () => {
  const metrics = registry();
  const readings = [5, 3, 6];
  metrics.counter("process_cpu_seconds_total").pull(() => readings.shift() ?? Number.NaN);
  const seen = [1, 2, 3, 4].flatMap(() => values(metrics, "process_cpu_seconds_total"));
  expect(seen).toEqual([5, 5, 6, 6]);
});

test("a payment label set is exported once at 0 before its first value", () => {
  const metrics = registry();
  const labels = { service: "shop", payment_method: "card", plan: "pro", error_type: "declined" };
  metrics.counter("payment_failures_total", labels).add(1);
  expect(values(metrics, "payment_failures_total")).toEqual([0]);
  metrics.counter("payment_failures_total", labels).add(1);
  expect(values(metrics, "payment_failures_total")).toEqual([2]);
});

test("money is counted in nano-dollars and shown in dollars, right to the last digit", () => {
  const metrics = registry();
  const cost = metrics.counter("gateway_cache_saved_usd_total", { model: "m" });
  let exact = 0n;
  for (let index = 0; index < 10_000; index++) {
    const nano = (index * 7_919 + 12_345) % 99_991;
    exact += BigInt(nano);
    cost.add(nano);
  }
  expect(values(metrics, "gateway_cache_saved_usd_total")).toEqual([Number(exact) / 1e9]);
});

test("past the cap, label sets fold into other, our own words stay, and it is counted", () => {
  const metrics = registry({ maxSeriesPerMetric: 10 });
  for (let index = 0; index < 1_000; index++) {
    const model = `m${index}`;
    metrics.counter("generation_success_total", { service: "gateway", type: "chat", model }).add(1);
  }
  const found = points(metrics, "generation_success_total");
  expect(found).toHaveLength(11);
  expect(found.at(-1)).toEqual({ labels: { service: "gateway", type: "chat", model: "other" }, value: 990 });
  expect(points(metrics, "gateway_label_overflow_total")).toEqual([{ labels: { label: "model" }, value: 990 }]);
});

test("what is known from config exists at 0 and takes no place from what comes later", () => {
  const metrics = registry({ maxSeriesPerMetric: 10 });
  const labels = (index: number) => ({ service: "gateway", type: "chat", model: `m${index}` });
  for (let index = 0; index < 20; index++) metrics.zero("generation_success_total", labels(index));
  for (let index = 0; index < 30; index++) metrics.counter("generation_success_total", labels(index)).add(1);
  const found = points(metrics, "generation_success_total");
  expect(found).toHaveLength(30);
  expect(found.every(({ labels }) => labels.model !== "other")).toBe(true);
});

test("a metric whose labels callers do not control has no cap", () => {
  const metrics = registry({ maxSeriesPerMetric: 10 });
  for (let index = 0; index < 50; index++) metrics.gauge("gateway_backend_up", { backend: `b${index}` }).set(1);
  expect(points(metrics, "gateway_backend_up")).toHaveLength(50);
});

test.each(["", " ", "undefined", "None", "null", "a\nb", "\u0000", "\ud800", "\u202e", "x".repeat(81)])(
  "no label says %j",
  (value) => {
    const metrics = registry();
    metrics.counter("gateway_cache_saved_usd_total", { model: value }).add(1);
    expect(points(metrics, "gateway_cache_saved_usd_total")[0]?.labels).toEqual({ model: "other" });
  },
);

test("a value that is in another script stands", () => {
  const metrics = registry();
  metrics.counter("gateway_cache_saved_usd_total", { model: "模型-é" }).add(1);
  expect(points(metrics, "gateway_cache_saved_usd_total")[0]?.labels).toEqual({ model: "模型-é" });
});
