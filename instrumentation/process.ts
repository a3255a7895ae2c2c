// Measures the gateway's own process: memory, processor time, file descriptors, event loop, garbage collection.
import { readdir } from "node:fs/promises";
import { type ELDHistogram, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import process from "node:process";
import { getHeapStatistics } from "node:v8";
import type { Registry } from "./registry.ts";
import type { Sampling } from "./system.ts";

export interface ProcessMetricsOptions {
  readonly registry: Registry;
  /** Half of the window of the event loop's lag, and how often file descriptors are counted. */
  readonly intervalMillis?: number;
}

/** What costs microseconds is read at each scrape; descriptors are counted in the background. */
export function processMetrics({ registry, intervalMillis = 30_000 }: ProcessMetricsOptions): Sampling {
  const lag = loopLag();
  const pauses = registry.histogram("nodejs_gc_duration_seconds");
  const collector = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.observe(duration / 1000);
  });
  let timer: NodeJS.Timeout | undefined;

  registry.gauge("process_start_time_seconds").set(performance.timeOrigin / 1000);
  registry.gauge("process_resident_memory_bytes").pull(() => process.memoryUsage.rss());
  registry.counter("process_cpu_seconds_total").pull(() => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  registry.gauge("nodejs_heap_used_bytes").pull(() => getHeapStatistics().used_heap_size);
  for (const stat of ["mean", "p50", "p99", "max"] as const) {
    registry.gauge("nodejs_eventloop_lag_seconds", { stat }).pull(() => lag.seconds(stat));
  }

  const countDescriptors = async () => {
    // The list is there on Linux only; elsewhere the metric is absent.
    const open = await readdir("/proc/self/fd").catch(() => undefined);
    // Reading the list takes one itself.
    if (open) registry.gauge("process_open_fds").set(open.length - 1);
  };

  return {
    start() {
      if (timer) return;
      lag.start();
      collector.observe({ entryTypes: ["gc"] });
      timer = setInterval(() => {
        lag.turn();
        countDescriptors();
      }, intervalMillis).unref();
      countDescriptors();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      lag.stop();
      collector.disconnect();
    },
  };
}

const resolutionMillis = 20;

/**
 * Event-loop lag over the last one to two intervals: two histograms begin anew in turns and the older one is read, so
 * that no scrape misses a stall or takes it from another scraper.
 */
function loopLag() {
  const histogram = () => monitorEventLoopDelay({ resolution: resolutionMillis });
  let older: ELDHistogram = histogram();
  let younger: ELDHistogram = histogram();

  return {
    start() {
      older.enable();
      younger.enable();
    },
    stop() {
      older.disable();
      younger.disable();
    },
    turn() {
      older.reset();
      [older, younger] = [younger, older];
    },
    /** The monitor notes the time between its own timer's calls: what exceeds the timer's period is lag. */
    seconds(stat: "mean" | "p50" | "p99" | "max"): number {
      if (older.count === 0) return 0;
      const nanos =
        stat === "mean" ? older.mean : stat === "max" ? older.max : older.percentile(stat === "p50" ? 50 : 99);
      return Math.max(0, nanos / 1e9 - resolutionMillis / 1000);
    },
  };
}
