// Keeps the system metrics fresh from a sampler thread, which may fail or hang without anyone noticing but a counter.
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Registry } from "./registry.ts";
import type { Reading } from "./system/reading.ts";

export interface SystemMetricsOptions {
  readonly registry: Registry;
  /** Hears of every failure of the sampler, e.g. the `exporterFailed` of the counted troubles. */
  readonly failed: (stage: "system", error: unknown) => void;
  readonly intervalMillis?: number;
  /** A reading that takes longer is given up, and the sampler's thread with it. */
  readonly timeoutMillis?: number;
  /** The sampler's module, which answers each message with a `Reading`. */
  readonly sampler?: URL;
}

/** A background source of metrics. Its timers and threads keep no process alive. */
export interface Sampling {
  start(): void;
  stop(): Promise<void>;
}

// Source files end in .ts, compiled ones in .js; the thread's module stands beside in either case.
const ownSampler = new URL(`./system/sampler${extname(import.meta.url)}`, import.meta.url);

/** Intervals that a failing sampler sits out at most. */
const maxSkipped = 60;

/** Samples CPU, memory, disks, network and uptime: one reading at a time, never because of a request or a scrape. */
export function systemMetrics({
  registry,
  failed,
  intervalMillis = 10_000,
  timeoutMillis = 30_000,
  sampler = ownSampler,
}: SystemMetricsOptions): Sampling {
  const note = readings(registry);
  let timer: NodeJS.Timeout | undefined;
  let thread: Worker | undefined;
  let deadline: NodeJS.Timeout | undefined;
  // A sampler that fails is left alone for ever longer: what hung may have left a command behind.
  let failures = 0;
  let toSkip = 0;

  const settled = () => {
    clearTimeout(deadline);
    deadline = undefined;
  };

  const giveUp = (error: unknown): Promise<unknown> => {
    settled();
    const given = thread;
    thread = undefined;
    toSkip = Math.min(2 ** failures++, maxSkipped) - 1;
    failed("system", error);
    return given?.terminate() ?? Promise.resolve();
  };

  const startThread = (): Worker => {
    const started = new Worker(sampler, {
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
      // Flags of the gateway's own process, such as those of a profiler, are not the thread's.
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    started.on("message", (reading: Reading) => {
      if (started !== thread) return;
      settled();
      failures = 0;
      note(reading);
      for (const error of reading.errors) failed("system", new Error(error));
    });
    started.on("error", (error) => {
      if (started === thread) giveUp(error);
    });
    started.on("exit", (code) => {
      if (started === thread) giveUp(new Error(`the sampler's thread exited with code ${code}`));
    });
    // After the listeners: to listen for messages is to hold the process.
    started.unref();
    return started;
  };

  const sample = () => {
    if (deadline) return;
    if (toSkip > 0) {
      toSkip--;
      return;
    }
    try {
      thread ??= startThread();
      deadline = setTimeout(() => giveUp(new Error(`no reading within ${timeoutMillis} ms`)), timeoutMillis).unref();
      thread.postMessage("read");
    } catch (error) {
      giveUp(error);
    }
  };

  return {
    start() {
      if (timer) return;
      timer = setInterval(sample, intervalMillis).unref();
      sample();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      settled();
      const stopped = thread;
      thread = undefined;
      await stopped?.terminate();
    },
  };
}

/** Writes readings into the registry. What a reading lacks keeps its last value; a disk that is gone, goes. */
function readings(registry: Registry): (reading: Reading) => void {
  let disks = new Set<string>();
  const last = { receive: 0, transmit: 0 };

  const grow = (direction: "receive" | "transmit", total: number) => {
    // An interface that vanished takes its bytes along: a counter waits instead of falling.
    registry.counter("system_network_io_bytes_total", { direction }).add(Math.max(0, total - last[direction]));
    last[direction] = total;
  };

  return ({ cpuRatio, memory, disks: found, network, uptime }) => {
    if (cpuRatio !== undefined) registry.gauge("system_cpu_utilization_ratio").set(cpuRatio);
    if (memory) {
      for (const state of ["used", "cached", "free"] as const) {
        registry.gauge("system_memory_usage_bytes", { state }).set(memory[state]);
      }
      registry.gauge("system_memory_utilization_ratio").set(memory.ratio);
    }
    if (found) {
      for (const { device, used, free, ratio } of found) {
        registry.gauge("system_disk_usage_bytes", { device, state: "used" }).set(used);
        registry.gauge("system_disk_usage_bytes", { device, state: "free" }).set(free);
        registry.gauge("system_disk_utilization_ratio", { device }).set(ratio);
        disks.delete(device);
      }
      for (const device of disks) {
        for (const state of ["used", "free"]) registry.gauge("system_disk_usage_bytes", { device, state }).remove();
        registry.gauge("system_disk_utilization_ratio", { device }).remove();
      }
      disks = new Set(found.map(({ device }) => device));
    }
    if (network) {
      grow("receive", network.received);
      grow("transmit", network.sent);
    }
    if (uptime !== undefined) registry.gauge("system_uptime_seconds").set(uptime);
  };
}
