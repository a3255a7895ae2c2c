// Puts instrumentation together for the gateway: what stands in its pipeline, in what order, and what is sampled beside it.
import type { Writable } from "node:stream";
import {
  bound,
  countedTroubles,
  type Exporter,
  type Logger,
  type LossReport,
  logExporter,
  logger,
  logOutput,
  metrics,
  otlpSettings,
  pipeline,
  price,
  processMetrics,
  prometheus,
  redact,
  registry,
  type SpanSink,
  sentry,
  spans,
  systemMetrics,
  traceSink,
  type UsageRecord,
} from "../instrumentation/index.ts";
import type { OpenAllowance } from "./admission/allowance/open.ts";
import { watchedAllowance } from "./allowance-gauges.ts";
import { backendGauges } from "./backend-gauges.ts";
import type { Config } from "./config/config.ts";
import { named } from "./named.ts";
import { queueMeter } from "./queue-meter.ts";
import { sayBackend, saysOfRedis } from "./said.ts";
import type { Clock } from "./surroundings.ts";
import type { BackendState, Telemetry } from "./telemetry.ts";

export interface InstrumentsOptions {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  /** Where log lines go. */
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** Takes the place of the OTLP sink. */
  readonly sink?: SpanSink;
  /** Exporters beside the usual ones. */
  readonly more?: readonly Exporter[];
  /** Settled by each record; its state is shown in metrics. */
  readonly allowance?: OpenAllowance;
  /** Sampling of machine and process; off where many gateways share one process. */
  readonly sampling?: boolean;
}

export interface Instruments {
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

/** Rejects with one sentence where the environment asks for what cannot be; throws a RangeError for a price rule that makes no sense. */
export async function instruments({
  config,
  version,
  clock,
  stdout,
  sink,
  more = [],
  allowance: open,
  sampling = true,
}: InstrumentsOptions): Promise<Instruments> {
  const cells = registry({ maxSeriesPerMetric: config.labels.maxSeriesPerMetric });
  const stages = [
    "price",
    "redact",
    "bound",
    "metrics",
    "spans",
    "log",
    "sentry",
    "tap",
    "system",
    "gateway",
    "allowance",
    "cache",
    "redis",
  ];
  const troubles = countedTroubles(cells, stages, (stage, error) => {
    if (stage === "redis") shared.away(error);
    else say.complain(stage, error);
  });
  const reportFor = (exporter: string): LossReport => {
    cells.zero("gateway_events_lost_total", { exporter, reason: "export_failed" });
    return {
      lost: (count, reason) => cells.counter("gateway_events_lost_total", { exporter, reason }).add(count),
      failed: (error) => troubles.exporterFailed(exporter, error),
    };
  };

  const output = logOutput({ destination: stdout, settings: config.log, report: reportFor("log") });
  const say = complaints(logger({ output, settings: config.log, now: clock.wall }), clock.now);
  const shared = saysOfRedis(say.logger, config.redis?.onFailure ?? "allow", clock.now);
  const otlp = sink ? undefined : otlpSettings(config.otel);
  const spanSink = sink ?? (otlp && (await traceSink({ otlp, version, report: reportFor("spans") })));
  const watcher =
    config.sentry && (await sentry({ settings: config.sentry, version, now: clock.now, report: reportFor("sentry") }));
  const measured = metrics({
    registry: cells,
    activeUserSeconds: config.labels.activeUserSeconds,
    now: clock.now,
    known: named(config),
  });
  cells.gauge("gateway_events_buffered", { exporter: "log" }).pull(() => output.buffered);
  if (spanSink) cells.gauge("gateway_events_buffered", { exporter: "spans" }).pull(() => spanSink.buffered);

  let rules = processors(config, (label) => cells.counter("gateway_label_overflow_total", { label }).add(1));
  const records = pipeline({
    processors: [
      function price(record) {
        return rules.price(record);
      },
      redact(),
      function bound(record) {
        return rules.bound(record);
      },
    ],
    exporters: [
      measured,
      ...(spanSink ? [spans({ sink: spanSink, settings: config.traces })] : []),
      // Written out below, once: the others may have a last word, and a stalled reader is waited for no longer than that.
      { ...logExporter({ output, settings: config.log }), shutdown: async () => {} },
      ...(watcher ? [watcher] : []),
      ...(open ? [open.allowance.exporter] : []),
      ...more,
    ],
    troubles,
  });

  const text = await prometheus({ registry: cells, startedAt: clock.wall(), now: clock.wall });
  const samplings = sampling
    ? [systemMetrics({ registry: cells, failed: troubles.exporterFailed }), processMetrics({ registry: cells })]
    : [];
  for (const one of samplings) one.start();
  cells.gauge("gateway_build_info", { version, node_version: process.versions.node, revision: "none" }).set(1);
  const loadedAt = cells.gauge("gateway_config_loaded_timestamp_seconds");
  loadedAt.set(clock.wall() / 1000);
  for (const result of ["success", "failure"]) cells.zero("gateway_config_reloads_total", { result });
  const malformed = cells.counter("errors_total", {
    service: "gateway",
    error_type: "malformed_http",
    severity: "warning",
  });
  let openStreams = 0;
  cells.gauge("gateway_open_streams").pull(() => openStreams);
  let readBackends: () => readonly BackendState[] = () => [];
  const backends = backendGauges(cells);
  const standing = open && watchedAllowance(cells, config, open, troubles.exporterFailed, shared.back);

  return {
    logger: say.logger,
    telemetry: {
      pipeline: records,
      exportsSpans: spanSink !== undefined,
      async scrape() {
        backends(readBackends());
        await standing?.();
        return text.scrape();
      },
      httpServed: measured.httpServed,
      streamOpened: () => {
        openStreams += 1;
      },
      streamClosed: () => {
        openStreams -= 1;
      },
      troubled: troubles.exporterFailed,
      backendChanged: (backend, change) => sayBackend(say.logger, backend, change),
      malformed: () => malformed.add(1),
      certificateSeen: (backend, expiry) =>
        cells.gauge("gateway_backend_certificate_expiry_timestamp_seconds", { backend }).set(expiry),
      reloaded(result) {
        cells.counter("gateway_config_reloads_total", { result }).add(1);
        if (result === "success") loadedAt.set(clock.wall() / 1000);
      },
      configure(next) {
        rules = processors(next, (label) => cells.counter("gateway_label_overflow_total", { label }).add(1));
        measured.foretell(named(next));
      },
      queueMeter: (backend) => queueMeter(cells, backend),
      watchBackends(read) {
        readBackends = read;
      },
      async shutdown() {
        await Promise.all(samplings.map((one) => one.stop()));
        await records.shutdown();
        await output.flush();
        await text.shutdown();
      },
    },
  };
}

type Rule = (record: UsageRecord) => UsageRecord;

/** The processors that follow the configuration. */
function processors(config: Config, overflow: (label: string) => void): { readonly price: Rule; readonly bound: Rule } {
  const { models, keys } = named(config);
  return {
    price: price({ rules: config.prices }),
    bound: bound({ settings: config.labels, models, keys, overflow }),
  };
}

/** A part that fails at every request is told of once a minute, with how often it failed meanwhile. */
const quietMillis = 60_000;

function complaints(log: Logger, now: () => number) {
  const last = new Map<string, { at: number; silent: number }>();
  return {
    logger: log,
    complain(stage: string, error: unknown) {
      const before = last.get(stage);
      if (before && now() - before.at < quietMillis) {
        before.silent += 1;
        return;
      }
      last.set(stage, { at: now(), silent: 0 });
      log.error({ err: error, stage, silent: before?.silent ?? 0 }, `${stage} failed; the traffic goes on`);
    },
  };
}
