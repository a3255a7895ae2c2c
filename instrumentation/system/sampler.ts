// Reads the machine's state whenever it is asked to, in a thread of its own: systeminformation runs commands
// synchronously (8 to 117 ms each), which in the gateway's thread would stall every open stream.
import os from "node:os";
import { parentPort } from "node:worker_threads";
import si from "systeminformation";
import type { Reading } from "./reading.ts";

const maxDisks = 20;

parentPort?.on("message", async () => {
  parentPort?.postMessage(await read());
});

async function read(): Promise<Reading> {
  const errors: string[] = [];
  const tried = async <T>(what: string, look: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await look();
    } catch (error) {
      errors.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const cpuRatio = await tried("cpu", async () => (await si.currentLoad()).currentLoad / 100);
  const memory = await tried("memory", readMemory);
  const disks = await tried("disk", readDisks);
  const network = await tried("network", readNetwork);
  return {
    ...(cpuRatio !== undefined && { cpuRatio }),
    ...(memory && { memory }),
    ...(disks && { disks }),
    ...(network && { network }),
    // systeminformation's own source, without the `date` that it would run beside.
    uptime: os.uptime(),
    errors,
  };
}

async function readMemory(): Promise<NonNullable<Reading["memory"]>> {
  const { total, free, available, buffcache } = await si.mem();
  const used = Math.max(0, total - free - buffcache);
  return { used, cached: total - free - used, free, ratio: (total - available) / total };
}

/** Devices, each once however often it is mounted; the largest come first and stay. */
async function readDisks(): Promise<NonNullable<Reading["disks"]>> {
  const byDevice = new Map<string, NonNullable<Reading["disks"]>[number]>();
  for (const { fs, type, size, used, available } of await si.fsSize()) {
    if (!(size > 0) || /tmpfs|squashfs/.test(type) || byDevice.has(fs)) continue;
    byDevice.set(fs, { device: fs, used, free: available, ratio: used / (used + available) });
  }
  return [...byDevice.values()].sort((a, b) => b.used + b.free - a.used - a.free).slice(0, maxDisks);
}

async function readNetwork(): Promise<NonNullable<Reading["network"]>> {
  // Named one by one: asked for all, systeminformation runs four further commands to find their names.
  const names = Object.entries(os.networkInterfaces())
    .filter(([, addresses]) => addresses?.some(({ internal }) => !internal))
    .map(([name]) => name);
  const stats = names.length > 0 ? await si.networkStats(names.join(",")) : [];
  return {
    received: stats.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0),
    sent: stats.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0),
  };
}
