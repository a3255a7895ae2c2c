// The telemetry of a benchmark's Tollgate: the product's own composition, less what its layer leaves out.
import { bound, type Pipeline, pipeline, price, redact } from "../../instrumentation/index.ts";
import type { OpenAllowance } from "../admission/allowance/open.ts";
import type { Config } from "../config/config.ts";
import { instruments } from "../instruments.ts";
import type { Clock } from "../surroundings.ts";
import type { Telemetry } from "../telemetry.ts";
import { type Layer, layers } from "./contenders.ts";

export interface LayeredOptions {
  readonly config: Config;
  readonly layer: Layer;
  readonly clock: Clock;
  /** Settled by each record. */
  readonly allowance?: OpenAllowance;
}

const nothing = () => {};

/** Takes records and forgets them unread. */
const deaf: Pipeline = { opened: nothing, record: nothing, shutdown: () => Promise.resolve() };

/** From `metrics` on, layers differ by what an operator can configure; below that, records end before any exporter. */
export async function layered({ config, layer, clock, allowance }: LayeredOptions): Promise<Telemetry> {
  const has = (one: Layer) => layers.indexOf(one) <= layers.indexOf(layer);
  const { telemetry } = await instruments({
    config: {
      ...config,
      ...(!has("logs") && { log: { ...config.log, level: "silent" } }),
      ...(!has("spans") && { otel: {} }),
    },
    version: "bench",
    clock,
    stdout: process.stdout,
    sampling: has("metrics"),
    ...(allowance && { allowance }),
  });
  if (has("metrics")) return telemetry;
  return { ...telemetry, pipeline: has("metering") ? processing(config) : deaf };
}

/** Records are priced, redacted and bounded, and then thrown away. */
function processing({ prices, labels }: Config): Pipeline {
  const failed = (stage: string) => {
    throw new Error(`${stage} failed`);
  };
  return pipeline({
    processors: [price({ rules: prices }), redact(), bound({ settings: labels, overflow: nothing })],
    exporters: [],
    troubles: { exporterFailed: failed, recordLost: failed },
  });
}
