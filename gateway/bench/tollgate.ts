// A Tollgate of the benchmark, in a process of its own: the real gateway with only some of its layers.
import { randomFillSync } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { openAllowance } from "../admission/allowance/open.ts";
import { openKeys } from "../admission/keys/open.ts";
import type { Config } from "../config/config.ts";
import { load } from "../config/load.ts";
import { type GatewayOptions, gateway } from "../gateway.ts";
import { receivers } from "../receivers/index.ts";
import { lateDatabase } from "../state/late-database.ts";
import { lateIds, lateSpending } from "../state/late-stores.ts";
import type { Surroundings } from "../surroundings.ts";
import { uuids } from "../uuid.ts";
import type { Announcement } from "./child.ts";
import { layers } from "./contenders.ts";
import { layered } from "./layered.ts";
import { deciding, env, plain } from "./settings.ts";

const [backend = "", named, within = tmpdir()] = process.argv.slice(2);
const layer = layers.find((one) => one === named);
if (layer === undefined) throw new Error(`usage: tollgate.ts <backend> ${layers.join("|")} [folder]`);
const decides = layer === "deciding";

const file = decides ? deciding(backend, mkdtempSync(join(within, "tollgate-bench-"))) : plain(backend);
const loaded = load({
  file: "bench.yaml",
  env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: backend },
  read: () => file,
});
if ("problems" in loaded) throw new Error(JSON.stringify(loaded.problems));
const { config } = loaded;

const draw: Surroundings["fillRandom"] = (bytes) => randomFillSync(bytes);
const surroundings: Surroundings = {
  clock: { now: () => performance.now(), wall: () => performance.timeOrigin + performance.now() },
  fillRandom: draw,
  uuid: uuids(draw),
  random: Math.random,
};
const { clock } = surroundings;

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

const admitting = decides ? await stores(config) : {};
const running = await gateway({
  config,
  telemetry: await layered({ config, layer, clock, ...admitting }),
  surroundings,
  version: "bench",
  ...admitting,
});
process.on("disconnect", () => process.exit());
process.send?.({ port: Number(new URL(running.url).port), asksForKey: decides } satisfies Announcement);

/** Keys and counts as the product keeps them where it is alone. What goes wrong ends the process, and the run. */
async function stores(from: Config): Promise<Pick<GatewayOptions, "allowance" | "keys" | "ids">> {
  const failed = (error: unknown) => {
    throw error;
  };
  const { fillRandom, uuid } = surroundings;
  const database = lateDatabase(from.dataDir);
  const allowance = await openAllowance({ config: from, clock, uuid, store: lateSpending(database), failed });
  const { keys } = await openKeys({ config: from, now: clock.wall, fillRandom, failed, warn: failed });
  return { allowance, keys, ids: lateIds({ database, now: clock.wall, failed }) };
}
