// A process with nothing to do but sample: it says what failed, and ends once the machine was read.
import { setTimeout } from "node:timers/promises";
import { processMetrics } from "../../process.ts";
import { registry } from "../../registry.ts";
import { systemMetrics } from "../../system.ts";

const cells = registry();
const wasRead = () => cells.snapshot().some(({ name }) => name === "system_uptime_seconds");

systemMetrics({ registry: cells, failed: (_, error) => process.stderr.write(`${error}\n`) }).start();
processMetrics({ registry: cells }).start();
for (let round = 0; round < 1_000 && !wasRead(); round++) await setTimeout(10);
process.stdout.write(wasRead() ? "read" : "not read");
