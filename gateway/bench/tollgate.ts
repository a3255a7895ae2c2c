// A Tollgate of the benchmark, in a process of its own: the real gateway with only some of its layers.
import { randomFillSync, randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { load } from "../config/load.ts";
import { gateway } from "../gateway.ts";
import { receivers } from "../receivers/index.ts";
import { layers } from "./contenders.ts";
import { layered } from "./layered.ts";

const [backend = "", named] = process.argv.slice(2);
const layer = layers.find((one) => one === named);
if (layer === undefined) throw new Error(`usage: tollgate.ts <backend> ${layers.join("|")}`);

/** As an operator would write it; everything else is as shipped. */
const file = `
listen: { host: 127.0.0.1, port: 0, metricsPort: 0 }
backends:
  - { name: bench, provider: openai, baseUrl: "${backend}/v1", key: { env: BENCH_KEY }, models: ["bench-*"] }
prices:
  - { model: "bench-*", inputPerMillion: 0.15, outputPerMillion: 0.6 }
demo: false
`;
const env = { BENCH_KEY: "bench-backend", OTEL_EXPORTER_OTLP_ENDPOINT: backend };
const loaded = load({ file: "bench.yaml", env, read: () => file });
if ("problems" in loaded) throw new Error(JSON.stringify(loaded.problems));

const clock = { now: () => performance.now(), wall: () => performance.timeOrigin + performance.now() };
// Without metering, answers are passed on unread and backends are not asked for usage.
if (layer === "forwarding") {
  for (const receiver of receivers) {
    const readRequest: typeof receiver.readRequest = (body) => {
      const { asksForUsage: _, ...facts } = read(body);
      return facts;
    };
    const read = receiver.readRequest.bind(receiver);
    Object.assign(receiver, { metered: false, readRequest });
  }
}

const running = await gateway({
  config: loaded.config,
  telemetry: await layered({ config: loaded.config, layer, clock }),
  surroundings: { clock, fillRandom: (bytes) => void randomFillSync(bytes), uuid: randomUUID, random: Math.random },
  version: "bench",
});
process.on("disconnect", () => process.exit());
process.send?.({ port: Number(new URL(running.url).port) });
