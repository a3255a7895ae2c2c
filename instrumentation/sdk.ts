// The only file that touches OpenTelemetry SDK packages: it turns our data into what they export.
import { setImmediate } from "node:timers/promises";
import type { HrTime, ValueType } from "@opentelemetry/api";
import type {
  AggregationTemporality,
  DataPointType,
  MetricData,
  MetricProducer,
  ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { FinishedSpan, hrTime } from "./finished-span.ts";
import type { LossReport } from "./losses.ts";
import type { OtlpSettings } from "./otlp.ts";
import type { Family, Registry } from "./registry.ts";
import type { SpanSink } from "./span.ts";

export interface TraceSinkOptions {
  readonly otlp: OtlpSettings;
  /** The gateway's own version, for the resource and the instrumentation scope. */
  readonly version: string;
  readonly report: LossReport;
  /** How long `shutdown` may take, milliseconds; what is unsent by then is counted as lost. */
  readonly shutdownMillis?: number;
}

/** The conventions whose names our spans carry. */
const schemaUrl = "https://opentelemetry.io/schemas/1.41.0";
const okay = 0;

/**
 * A sink that batches spans and sends them by OTLP over HTTP. The SDK is loaded here and only here, so that it costs
 * nothing where traces are off. Nothing is registered globally, and no context is tracked: ids and times are ours.
 *
 * Memory is bounded by the queue. What does not fit, what the collector does not take within its timeout, and what is
 * unsent at the end is counted, span by span.
 */
export async function traceSink({
  otlp,
  version,
  report,
  shutdownMillis = 3_000,
}: TraceSinkOptions): Promise<SpanSink> {
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, http, https] =
    await Promise.all([
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
      import("node:http"),
      import("node:https"),
    ]);
  const { batch, tls, url, headers, timeoutMillis, compression } = otlp;
  const resource = defaultResource().merge(
    resourceFromAttributes({ "service.version": version, ...otlp.resource }, { schemaUrl }),
  );
  const instrumentationScope = { name: "tollgate", version, schemaUrl };
  const agent = url.startsWith("https:")
    ? new https.Agent({ keepAlive: true, ...tls })
    : new http.Agent({ keepAlive: true });
  const sender = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis,
    httpAgentOptions: () => agent,
    ...(compression === "gzip" && { compression: "gzip" as NonNullable<ExporterConfig["compression"]> }),
  });

  /** Spans in the processor's queue, and spans handed to the sender. */
  let queued = 0;
  let sending = 0;
  let closing = false;
  let closed = false;
  const counted: SpanExporter = {
    export(spans, done) {
      queued -= spans.length;
      sending += spans.length;
      sender.export(spans, (result) => {
        if (!closed) {
          sending -= spans.length;
          if (result.code !== okay) {
            report.lost(spans.length, "export_failed");
            report.failed(result.error ?? new Error("the collector did not take the spans"));
          }
        }
        done(result);
      });
    },
    shutdown: () => sender.shutdown(),
  };
  const processor = new BatchSpanProcessor({
    exporter: counted,
    maxQueueSize: batch.queueSpans,
    maxExportBatchSize: batch.batchSpans,
    scheduledDelayMillis: batch.delayMillis,
    exportTimeoutMillis: batch.timeoutMillis,
  });

  return {
    accept(spans) {
      if (closing) return report.lost(spans.length, "shutdown");
      if (queued + spans.length > batch.queueSpans) return report.lost(spans.length, "buffer_full");
      queued += spans.length;
      for (const span of spans) processor.onEnd(new FinishedSpan(span, resource, instrumentationScope));
    },
    async shutdown() {
      if (closing) return;
      closing = true;
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, shutdownMillis);
      });
      // A failed batch rejects here, and has been counted above.
      await Promise.race([processor.shutdown().catch(() => undefined), deadline]);
      clearTimeout(timer);
      closed = true;
      const unsent = queued + sending;
      if (unsent > 0) report.lost(unsent, "shutdown");
      agent.destroy();
    },
    get buffered() {
      return queued + sending;
    },
  };
}

type ExporterConfig = NonNullable<
  ConstructorParameters<typeof import("@opentelemetry/exporter-trace-otlp-http").OTLPTraceExporter>[0]
>;

export interface PrometheusOptions {
  readonly registry: Registry;
  /** When counting began, Unix milliseconds. */
  readonly startedAt: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Prometheus {
  /**
   * Everything the registry holds as Prometheus text, format 0.0.4 (`scrapeContentType`), as of the moment of the call.
   * The event loop gets a turn every thousand lines or so. Rejects after `shutdown`.
   */
  scrape(): Promise<string>;
  shutdown(): Promise<void>;
}

/** Prometheus 3 marks a target down that does not say this. */
export const scrapeContentType = "text/plain; version=0.0.4; charset=utf-8";

/** After so many lines of text other work gets a turn. */
const linesPerTurn = 1_000;

/**
 * The registry as an OpenTelemetry metric producer, read by the Prometheus exporter: its own server is not started, and
 * any other OpenTelemetry reader could take its place.
 */
export async function prometheus({ registry, startedAt, now }: PrometheusOptions): Promise<Prometheus> {
  const [{ PrometheusExporter, PrometheusSerializer }, { MeterProvider }] = await Promise.all([
    import("@opentelemetry/exporter-prometheus"),
    import("@opentelemetry/sdk-metrics"),
  ]);
  const scope = { name: "tollgate" };
  const startTime = hrTime(startedAt);
  const producer: MetricProducer = {
    collect: async () => {
      const metrics = registry.snapshot().map((family) => metricData(family, startTime, hrTime(now())));
      // The reader takes the provider's resource and ignores this one.
      const resource = { attributes: {} } as ResourceMetrics["resource"];
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] }, errors: [] };
    },
  };
  const exporter = new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] });
  const provider = new MeterProvider({ readers: [exporter] });
  // No prefix, no timestamps, no resource labels, no target_info, no scope labels.
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);

  return {
    async scrape() {
      const { resourceMetrics } = await exporter.collect();
      const { resource } = resourceMetrics;
      let text = "";
      let lines = 0;
      for (const metric of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
        text += serializer.serialize({ resource, scopeMetrics: [{ scope, metrics: [metric] }] });
        lines += linesOf(metric);
        if (lines >= linesPerTurn) {
          lines = 0;
          await setImmediate();
        }
      }
      return text;
    },
    shutdown: () => provider.shutdown(),
  };
}

// Members of the SDK's enums, by value: importing them would load the package before it is wanted.
const cumulative: AggregationTemporality.CUMULATIVE = 1;
const double: ValueType.DOUBLE = 1;
const histogramPoints: DataPointType.HISTOGRAM = 0;
const gaugePoints: DataPointType.GAUGE = 2;
const sumPoints: DataPointType.SUM = 3;

function metricData(family: Family, startTime: HrTime, endTime: HrTime): MetricData {
  const { name, unit, help } = family;
  const descriptor = { name, unit, description: help, valueType: double };
  const common = { descriptor, aggregationTemporality: cumulative } as const;
  if (family.kind === "histogram") {
    const boundaries = [...family.bounds];
    const dataPoints = family.points.map(({ labels, count, sum, counts }) => ({
      startTime,
      endTime,
      attributes: labels,
      value: { count, sum, buckets: { boundaries, counts: [...counts] } },
    }));
    return { ...common, dataPointType: histogramPoints, dataPoints };
  }
  const dataPoints = family.points.map(({ labels, value }) => ({ startTime, endTime, attributes: labels, value }));
  return family.kind === "counter"
    ? { ...common, dataPointType: sumPoints, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: gaugePoints, dataPoints };
}

const linesOf = (metric: MetricData): number =>
  metric.dataPointType === histogramPoints
    ? metric.dataPoints.reduce((lines, { value }) => lines + value.buckets.counts.length + 2, 0)
    : metric.dataPoints.length;
