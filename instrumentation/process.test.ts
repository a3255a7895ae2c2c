import { closeSync, openSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { processMetrics } from "./process.ts";
import { type Registry, registry } from "./registry.ts";
import type { Sampling } from "./system.ts";

const started: Sampling[] = [];
afterEach(async () => {
  for (const sampling of started.splice(0)) await sampling.stop();
});

function measuring(intervalMillis = 30_000): Registry {
  const cells = registry();
  const sampling = processMetrics({ registry: cells, intervalMillis });
  started.push(sampling);
  sampling.start();
  return cells;
}

function read(cells: Registry, name: string, label?: string): number {
  const points = cells.snapshot().find((family) => family.name === name)?.points ?? [];
  const point = label === undefined ? points[0] : points.find(({ labels }) => Object.values(labels).includes(label));
  return point === undefined ? Number.NaN : "value" in point ? point.value : point.count;
}

/** Keeps the event loop from turning. */
const stall = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);

test("memory, processor time and start are those of this process", () => {
  const cells = measuring();
  expect(read(cells, "process_resident_memory_bytes")).toBeGreaterThan(20_000_000);
  expect(read(cells, "nodejs_heap_used_bytes")).toBeGreaterThan(1_000_000);
  expect(read(cells, "process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(read(cells, "process_cpu_seconds_total")).toBeLessThan(600);
  expect(Math.abs(read(cells, "process_start_time_seconds") - (Date.now() / 1000 - process.uptime()))).toBeLessThan(2);
});

test("a stall of the event loop shows as lag, without the monitor's own period", async () => {
  const cells = measuring();
  // Wait until the monitor's timer has run, so that it has a time to count from.
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "mean")).toBeGreaterThan(0));
  stall(300);
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "max")).toBeGreaterThan(0.25));
  expect(read(cells, "nodejs_eventloop_lag_seconds", "max")).toBeLessThan(2);
  // The monitor looks every 20 ms, and without a stall there is less lag than that.
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "p50")).toBeLessThan(0.015), 10_000);
});

test("a stall is forgotten after two intervals", async () => {
  const cells = measuring(100);
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "mean")).toBeGreaterThan(0));
  stall(400);
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "max")).toBeGreaterThan(0.3));
  await vi.waitFor(() => expect(read(cells, "nodejs_eventloop_lag_seconds", "max")).toBeLessThan(0.3), 10_000);
});

test.runIf(process.platform === "linux")("file descriptors are counted in the background", async () => {
  const cells = measuring(20);
  await vi.waitFor(() => expect(read(cells, "process_open_fds")).toBeGreaterThan(3));
  const before = read(cells, "process_open_fds");
  const opened = Array.from({ length: 50 }, () => openSync("/dev/null", "r"));
  await vi.waitFor(() => expect(read(cells, "process_open_fds")).toBeGreaterThan(before + 40));
  for (const descriptor of opened) closeSync(descriptor);
});

test("pauses of garbage collection are counted", async () => {
  const cells = measuring();
  let kept: unknown[] = [];
  await vi.waitFor(() => {
    for (let index = 0; index < 200_000; index++) kept.push({ index });
    kept = [];
    expect(read(cells, "nodejs_gc_duration_seconds")).toBeGreaterThan(0);
  }, 10_000);
});
