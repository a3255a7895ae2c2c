// The Sentry exporter: tells an operator's Sentry of failures, grouped, bounded and without secrets.
import type { Event as SentryEvent } from "@sentry/core";
import { answeringAttempt, type Exchange } from "../exchange.ts";
import type { LossReport } from "../losses.ts";
import type { FailureReason } from "../outcome.ts";
import type { Exporter } from "../pipeline.ts";
import { scrubMessage } from "../scrub.ts";
import type { SentrySettings } from "../settings.ts";

export interface SentryOptions {
  readonly settings: SentrySettings;
  /** The gateway's version, as Sentry's release. */
  readonly version: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly report: LossReport;
  /** How long `shutdown` may take, milliseconds. */
  readonly shutdownMillis?: number;
}

/** One group is told of at most this often, milliseconds. */
const groupMillis = 60_000;
/** Bugs of ours come each by itself, but not without end: events per minute, over all groups. */
const eventsPerMinute = 60;
/** Events that may wait for Sentry. */
const bufferedEvents = 30;
const requestMillis = 5_000;
/** `https://key@host/path/number`. Checked here, since Sentry's own check prints the DSN on the console. */
const dsnShape = /^https?:\/\/\w+(?::\w*)?@[^\s/@]+\/(?:[^\s?#]*\/)?\d+$/;

/** Throws an Error, one sentence for the operator that does not name it, where it is no DSN. */
export function checkDsn(dsn: string): void {
  if (dsnShape.test(dsn) && URL.canParse(dsn)) return;
  throw new Error("SENTRY_DSN is not a DSN; copy it from the project's settings in Sentry (https://key@host/number).");
}

/**
 * Sends failed exchanges, and nothing else, to the DSN in the settings. Refused and abandoned ones are no errors.
 *
 * A failure within the gateway (`internal`) is a bug, and is sent each time. The others are grouped by reason and
 * backend: the first is sent at once, the next at the earliest a minute later, with the number left out in between.
 * At most 60 events a minute go out in all. Tags hold bounded values only; there are no bodies, headers, users or
 * addresses, and the message is scrubbed again here. `@sentry/core` is loaded here and only here; none of its
 * integrations run, nothing is hooked, and redirects are not followed. Rejects with an Error where the DSN is bad.
 */
export async function sentry(options: SentryOptions): Promise<Exporter> {
  const { settings, version, now, report, shutdownMillis = 3_000 } = options;
  checkDsn(settings.dsn);
  const [{ createTransport, Scope }, { ServerRuntimeClient }] = await Promise.all([
    import("@sentry/core"),
    import("@sentry/core/server"),
  ]);
  /** Events on their way. */
  let sending = 0;
  const leaving = new AbortController();
  const dropped = (reason: string) => {
    if (!leaving.signal.aborted) report.lost(1, reason === "queue_overflow" ? "buffer_full" : "export_failed");
  };
  const client = new ServerRuntimeClient({
    dsn: settings.dsn,
    release: version,
    environment: settings.environment ?? "production",
    platform: "node",
    integrations: [],
    stackParser: () => [],
    sendClientReports: false,
    transport: (given) =>
      createTransport({ ...given, bufferSize: bufferedEvents, recordDroppedEvent: dropped }, async ({ body }) => {
        sending++;
        try {
          const response = await fetch(given.url, {
            method: "POST",
            body: typeof body === "string" ? body : new Uint8Array(body),
            redirect: "manual",
            signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(requestMillis)]),
          });
          await response.arrayBuffer();
          const { ok, status, headers } = response;
          // Of a 413 the transport itself tells that the event is lost.
          if (!ok && status !== 413) report.lost(1, "export_failed");
          if (!ok) report.failed(new Error(`Sentry answered ${status}`));
          const limits = headers.get("x-sentry-rate-limits");
          return {
            statusCode: status,
            headers: { "x-sentry-rate-limits": limits, "retry-after": headers.get("retry-after") },
          };
        } catch (error) {
          if (!leaving.signal.aborted) report.failed(error);
          throw error;
        } finally {
          sending--;
        }
      }),
  });
  client.init();
  const admit = gate(now);

  return {
    name: "sentry",
    export(record) {
      if (record.kind !== "exchange" || record.outcome.kind !== "failed") return;
      const backend = answeringAttempt(record)?.backend ?? "gateway";
      const admitted = admit(record.outcome.reason, backend);
      if (admitted === undefined) return;
      const scope = new Scope();
      scope.setPropagationContext({ traceId: record.trace.traceId, sampleRand: 0 });
      client.captureEvent(eventOf(record, backend, admitted.leftOut), {}, scope);
    },
    async shutdown() {
      await client.close(shutdownMillis);
      if (sending > 0) report.lost(sending, "shutdown");
      leaving.abort();
    },
  };
}

/** Decides which failures are told, and counts the rest of their group until the next one is. */
function gate(now: () => number) {
  const groups = new Map<string, { toldAt: number; leftOut: number }>();
  let minuteBegan = now();
  let told = 0;
  return function admit(reason: FailureReason, backend: string): { leftOut: number } | undefined {
    const at = now();
    if (at - minuteBegan >= 60_000) {
      minuteBegan = at;
      told = 0;
    }
    const name = `${reason} ${backend}`;
    const group = groups.get(name) ?? { toldAt: Number.NEGATIVE_INFINITY, leftOut: 0 };
    groups.set(name, group);
    const due = reason === "internal" || at - group.toldAt >= groupMillis;
    if (!due || told >= eventsPerMinute) {
      group.leftOut++;
      return undefined;
    }
    told++;
    const { leftOut } = group;
    group.toldAt = at;
    group.leftOut = 0;
    return { leftOut };
  };
}

/** Reasons, operations, backends and providers are closed or configured sets: fit for tags. */
function eventOf(exchange: Exchange, backend: string, leftOut: number): SentryEvent {
  const { outcome, trace, operation, endpoint, streamed } = exchange;
  if (outcome.kind !== "failed") throw new TypeError("only failures are told");
  const attempt = answeringAttempt(exchange);
  return {
    level: outcome.severity === "critical" ? "fatal" : outcome.severity,
    message: `${outcome.reason} (${backend}): ${scrubMessage(outcome.message ?? "no message")}`,
    timestamp: (exchange.openedAt + exchange.totalSeconds * 1000) / 1000,
    logger: "tollgate",
    transaction: `${exchange.method} ${endpoint}`,
    fingerprint: ["tollgate", outcome.reason, backend],
    tags: {
      reason: outcome.reason,
      severity: outcome.severity,
      backend,
      operation,
      streamed: String(streamed),
      status: String(outcome.status),
      ...(attempt && { provider: attempt.provider }),
      ...(attempt?.status !== undefined && { backend_status: String(attempt.status) }),
    },
    contexts: { trace: { trace_id: trace.traceId, span_id: trace.spanId } },
    extra: {
      exchange: exchange.id,
      duration_seconds: exchange.totalSeconds,
      attempts: exchange.attempts.length,
      left_out_since_last: leftOut,
    },
  };
}
