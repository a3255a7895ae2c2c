// A gateway with all its instruments, whose spans and log lines stay in memory for a test to count.
import { Writable } from "node:stream";
import type { SpanData } from "../../instrumentation/index.ts";
import type { Config } from "../config/config.ts";
import { gateway } from "../gateway.ts";
import { instruments } from "../instruments.ts";
import { surroundings } from "./harness.ts";

export interface Measured {
  /** Base URL for a client, with `/v1`. */
  readonly url: string;
  readonly opsUrl: string;
  readonly spans: readonly SpanData[];
  /** Every log line so far, parsed. */
  lines(): readonly Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** Starts it. Machine and process are not sampled. */
export async function measuredGateway(config: Config): Promise<Measured> {
  const spans: SpanData[] = [];
  let log = "";
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      log += chunk.toString();
      done();
    },
  });
  const { telemetry } = await instruments({
    config,
    version: "0.0.0-test",
    clock: surroundings.clock,
    stdout,
    sampling: false,
    sink: { accept: (some) => void spans.push(...some), shutdown: async () => {}, buffered: 0 },
  });
  const running = await gateway({ config, telemetry, surroundings, version: "0.0.0-test" });
  return {
    url: `${running.url}/v1`,
    opsUrl: running.opsUrl,
    spans,
    lines: () =>
      log
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    close: () => running.shutdown(),
  };
}
