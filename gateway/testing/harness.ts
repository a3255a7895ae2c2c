// Starts a whole gateway for a test: real sockets on free ports, everything measured, every exchange kept for asking.
import { randomFillSync, randomUUID } from "node:crypto";
import { Writable } from "node:stream";
import { expect } from "vitest";
import type { Exchange, Exporter, SpanData } from "../../instrumentation/index.ts";
import type { Allowance } from "../admission/allowance/allowance.ts";
import { openAllowance } from "../admission/allowance/open.ts";
import { backend } from "../config/builtin.ts";
import type { Backend, Config, Limits } from "../config/config.ts";
import { load } from "../config/load.ts";
import { type Gateway, type GatewayOptions, gateway } from "../gateway.ts";
import { instruments } from "../instruments.ts";
import type { Surroundings } from "../surroundings.ts";
import { forgetfulSpending } from "./forgetful-spending.ts";
import { type MetricSample, metricSamples } from "./metrics-text.ts";

export interface Tollgate {
  /** Base URL for a client, with `/v1`. */
  readonly url: string;
  readonly opsUrl: string;
  readonly gateway: Gateway;
  /** Every exchange so far, as exporters see it, in the order of their ends. */
  readonly exchanges: readonly Exchange[];
  /** Every span that would have been sent; the sampling is the config's. */
  readonly spans: readonly SpanData[];
  /** Every line of the log, as JSON text. */
  readonly lines: readonly string[];
  readonly allowance: Allowance;
  /** Its metrics as Prometheus text, until it is closed. */
  scrape(): Promise<string>;
  /** The next exchange that this was not asked for yet. */
  nextExchange(): Promise<Exchange>;
  /** All exchanges, once there are at least so many. */
  settled(count: number): Promise<readonly Exchange[]>;
  close(): Promise<void>;
}

export const surroundings: Surroundings = {
  clock: { now: () => performance.now(), wall: () => performance.timeOrigin + performance.now() },
  fillRandom: randomFillSync,
  uuid: randomUUID,
  random: Math.random,
};

/** A backend that takes every model. `url` is without `/v1`. */
export const backendAt = (url: string, overrides: Partial<Backend> = {}): Backend => ({
  ...backend({ name: "fake", provider: "openai", baseUrl: `${url}/v1`, models: ["*"], key: "sk-backend-key" }),
  ...overrides,
});

/** The same where the gateway may have no key for it. */
export function backendWith(url: string, hasKey: boolean, overrides?: Partial<Backend>): Backend {
  const { key, ...rest } = backendAt(url, overrides);
  return { ...rest, ...(key !== undefined && hasKey && { key }) };
}

/** The embedded defaults on free ports, with what a test wants otherwise. */
export function testConfig(overrides: Partial<Config> = {}): Config {
  const loaded = load({ env: {}, cwd: "/nonexistent" });
  if ("problems" in loaded) throw new Error(JSON.stringify(loaded.problems));
  return {
    ...loaded.config,
    demo: false,
    // A test wants to see every span.
    traces: { ...loaded.config.traces, sampleRatio: 1, maxPerSecond: 1_000_000 },
    shutdownSeconds: 1,
    listen: { host: "127.0.0.1", port: 0, opsHost: "127.0.0.1", opsPort: 0 },
    ...overrides,
  };
}

/** Limits that no usual request meets, with those that a test is about. */
export const testLimits = (own: Partial<Limits> = {}): Limits => ({
  jsonBytes: 1e6,
  bodyBytes: 1e6,
  multipartHeadBytes: 1e5,
  receiveSeconds: 5,
  stallSeconds: 60,
  drainBytes: 1e6,
  drainSeconds: 5,
  ...own,
});

/** What its metrics say now. Not once it is closed. */
export const metricsOf = async ({ scrape }: Pick<Tollgate, "scrape">): Promise<readonly MetricSample[]> =>
  metricSamples(await scrape());

const version = "0.0.0-test";

/** Starts a gateway; close it at the end of the test. */
export async function startTollgate(
  overrides: Partial<Config> = {},
  admitting: Pick<GatewayOptions, "keys" | "managedKeys" | "ids" | "unfinished"> = {},
): Promise<Tollgate> {
  const config = testConfig(overrides);
  const exchanges: Exchange[] = [];
  let taken = 0;
  const keep: Exporter = {
    name: "test",
    export: (record) => {
      if (record.kind === "exchange") exchanges.push(record);
    },
    shutdown: async () => {},
  };
  const spans: SpanData[] = [];
  const lines: string[] = [];
  const { clock, uuid } = surroundings;
  const allowance = await openAllowance({ config, clock, uuid, store: forgetfulSpending() });
  const { telemetry } = await instruments({
    allowance,
    config,
    version,
    clock: surroundings.clock,
    stdout: new Writable({
      write(chunk: Buffer, _, done) {
        for (const line of chunk.toString().split("\n")) if (line !== "") lines.push(line);
        done();
      },
    }),
    sink: { accept: (more) => void spans.push(...more), shutdown: async () => {}, buffered: 0 },
    more: [keep],
    sampling: false,
  });
  const running = await gateway({ config, telemetry, surroundings, version, allowance, ...admitting });
  let closed: Promise<void> | undefined;
  return {
    url: `${running.url}/v1`,
    opsUrl: running.opsUrl,
    gateway: running,
    exchanges,
    spans,
    lines,
    allowance: allowance.allowance,
    scrape: telemetry.scrape,
    async nextExchange() {
      const at = taken++;
      await expect.poll(() => exchanges.length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(at);
      const exchange = exchanges[at];
      if (exchange === undefined) throw new Error("no exchange was recorded");
      return exchange;
    },
    async settled(count) {
      await expect.poll(() => exchanges.length, { timeout: 20_000, interval: 5 }).toBeGreaterThanOrEqual(count);
      return exchanges;
    },
    close() {
      closed ??= running.shutdown();
      return closed;
    },
  };
}
