import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import type { MetricName } from "./catalogue.ts";
import { type Registry, registry } from "./registry.ts";
import { type Sampling, systemMetrics } from "./system.ts";

const started: Sampling[] = [];
afterEach(async () => {
  for (const sampling of started.splice(0)) await sampling.stop();
});

const fake = (name: string) => new URL(`./testing/samplers/${name}.ts`, import.meta.url);

function sampling(options: { sampler?: URL; timeoutMillis?: number; intervalMillis?: number }) {
  const cells = registry();
  const failed = vi.fn();
  const one = systemMetrics({ registry: cells, failed, ...options });
  started.push(one);
  one.start();
  return { cells, failed };
}

const read = (cells: Registry, name: MetricName) =>
  Object.fromEntries(
    (cells.snapshot().find((family) => family.name === name)?.points ?? []).map((point) => [
      Object.values(point.labels).join(" "),
      "value" in point ? point.value : Number.NaN,
    ]),
  );

test("the real machine is read: processors, memory, disks, network, uptime", async () => {
  const { cells, failed } = sampling({});
  await vi.waitFor(() => expect(read(cells, "system_uptime_seconds")[""]).toBeGreaterThan(0), 15_000);
  expect(failed.mock.calls).toEqual([]);
  expect(read(cells, "system_cpu_utilization_ratio")[""]).toBeGreaterThanOrEqual(0);
  expect(read(cells, "system_cpu_utilization_ratio")[""]).toBeLessThanOrEqual(1);
  const memory = read(cells, "system_memory_usage_bytes");
  expect(Object.keys(memory)).toEqual(["used", "cached", "free"]);
  expect(Object.values(memory).every((bytes) => bytes > 0)).toBe(true);
  expect(read(cells, "system_memory_utilization_ratio")[""]).toBeLessThan(1);
  expect(Object.keys(read(cells, "system_disk_usage_bytes")).length).toBeGreaterThan(0);
  expect(Object.values(read(cells, "system_disk_utilization_ratio")).every((ratio) => ratio >= 0 && ratio <= 1)).toBe(
    true,
  );
  expect(Object.keys(read(cells, "system_network_io_bytes_total"))).toEqual(["receive", "transmit"]);
});

test("a sampler is not asked again before it has answered", async () => {
  const { cells } = sampling({ sampler: fake("slow"), intervalMillis: 10 });
  await vi.waitFor(() => expect(read(cells, "system_uptime_seconds")[""]).toBeDefined(), 10_000);
  expect(read(cells, "system_uptime_seconds")).toEqual({ "": 1 });
});

test("a sampler that keeps failing is asked ever more seldom", async () => {
  const times: number[] = [];
  const one = systemMetrics({
    registry: registry(),
    failed: () => times.push(performance.now()),
    sampler: fake("throwing"),
    intervalMillis: 50,
  });
  started.push(one);
  one.start();
  await vi.waitFor(() => expect(times.length).toBeGreaterThanOrEqual(5), 15_000);
  // After its fourth failure it sits out seven intervals.
  expect(Number(times[4]) - Number(times[3])).toBeGreaterThan(7 * 50 - 10);
});

test("a sampler that hangs is given up and counted", async () => {
  const { cells, failed } = sampling({ sampler: fake("hanging"), timeoutMillis: 50, intervalMillis: 10 });
  await vi.waitFor(() => expect(failed.mock.calls.length).toBeGreaterThanOrEqual(3), 10_000);
  expect(failed.mock.calls[0]).toEqual(["system", new Error("no reading within 50 ms")]);
  expect(cells.snapshot()).toEqual([]);
});

test("a sampler whose thread dies is counted and costs nothing else", async () => {
  const { failed } = sampling({ sampler: fake("throwing"), intervalMillis: 10 });
  await vi.waitFor(() => expect(failed.mock.calls.length).toBeGreaterThanOrEqual(2), 10_000);
  expect(String(failed.mock.calls[0]?.[1])).toContain("no such machine");
});

test("a sampler that can't be loaded is counted", async () => {
  const { failed } = sampling({ sampler: fake("missing"), intervalMillis: 10 });
  await vi.waitFor(() => expect(failed).toHaveBeenCalled(), 10_000);
});

test("a disk that is gone goes, a network total never falls, and what was not read is counted", async () => {
  const { cells, failed } = sampling({ sampler: fake("changing"), intervalMillis: 10 });
  await vi.waitFor(() => expect(failed).toHaveBeenCalledWith("system", new Error("cpu: gone")), 10_000);
  expect(read(cells, "system_disk_usage_bytes")).toEqual({ "a used": 30, "a free": 70 });
  expect(read(cells, "system_disk_utilization_ratio")).toEqual({ a: 0.3 });
  expect(read(cells, "system_network_io_bytes_total")).toEqual({ receive: 105, transmit: 15 });
  expect(read(cells, "gateway_metric_values_rejected_total")).toEqual({});
});

test("neither the sampler's thread nor its timer keeps a process alive", () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(fake("idle"))], {
    encoding: "utf8",
    timeout: 15_000,
  });
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: "read", stderr: "" });
});
