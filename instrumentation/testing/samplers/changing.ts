// A sampler whose machine loses a disk and a network interface, and then fails to say anything.
import { parentPort } from "node:worker_threads";
import type { Reading } from "../../system/reading.ts";

const disk = { used: 30, free: 70, ratio: 0.3 };
const readings: Reading[] = [
  {
    disks: [
      { device: "a", ...disk },
      { device: "b", ...disk },
    ],
    network: { received: 100, sent: 10 },
    errors: [],
  },
  { disks: [{ device: "a", ...disk }], network: { received: 40, sent: 15 }, errors: [] },
  { disks: [{ device: "a", ...disk }], network: { received: 45, sent: 15 }, errors: [] },
  { errors: ["cpu: gone"] },
];

parentPort?.on("message", () => parentPort?.postMessage(readings.shift() ?? { errors: [] }));
