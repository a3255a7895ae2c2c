// The span exporter: decides by the tail rule which exchanges are worth a trace, and only then builds it.
import { answeringAttempt, type Exchange } from "../exchange.ts";
import type { Exporter } from "../pipeline.ts";
import type { TraceSettings } from "../settings.ts";
import type { SpanData, SpanSink } from "../span.ts";
import { attemptAttributes, attemptError, attemptName, serverAttributes, serverName } from "./spans/attributes.ts";

export interface SpanOptions {
  readonly sink: SpanSink;
  readonly settings: TraceSettings;
}

/**
 * Projects each kept exchange to a SERVER span and one CLIENT span per attempt, and hands them to the sink together.
 * Nothing is built for an exchange that is not kept. Tracked events have no spans.
 */
export function spans({ sink, settings }: SpanOptions): Exporter {
  const keep = tailRule(settings);
  return {
    name: "spans",
    export(record) {
      if (record.kind === "exchange" && keep(record)) sink.accept(spansOf(record));
    },
    shutdown: () => sink.shutdown(),
  };
}

/** 52 of the 56 random bits of a trace id: as many as a number holds exactly. */
const ratioBits = 52;

/**
 * The tail rule: every failed exchange, every one slower than `slowSeconds`, and a share of all others.
 *
 * Refused and abandoned ones belong to the others: both are what clients do, and a client in a loop must not be able
 * to fill the trace store. The share is chosen by the trace id's last 56 bits, as OpenTelemetry's consistent
 * probability sampling does (kept when they are at least (1 - ratio) × 2^56), so replicas and other services with
 * the same ratio agree. A caller's sampled flag does not count: a client that always sets it would keep everything.
 *
 * Past `maxPerSecond` of those others no more are kept of that second: a hundred ordinary traces tell what thousands
 * would, and to make one costs more than to forward its request did.
 */
function tailRule({ sampleRatio, slowSeconds, maxPerSecond }: TraceSettings): (exchange: Exchange) => boolean {
  const threshold = (1 - sampleRatio) * 2 ** ratioBits;
  let second = 0;
  let kept = 0;
  return function keep(exchange) {
    const { outcome, totalSeconds, trace } = exchange;
    if (outcome.kind === "failed" || totalSeconds > slowSeconds) return true;
    if (Number.parseInt(trace.traceId.slice(18, 31), 16) < threshold) return false;
    const closed = Math.floor(exchange.openedAt / 1000 + totalSeconds);
    if (closed !== second) {
      second = closed;
      kept = 0;
    }
    return kept++ < maxPerSecond;
  };
}

function spansOf(exchange: Exchange): SpanData[] {
  const { openedAt, outcome, trace } = exchange;
  const { traceId, spanId, parentSpanId, tracestate } = trace;
  const state = tracestate === undefined ? undefined : { tracestate };
  const server: SpanData = {
    name: serverName(exchange),
    kind: "server",
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    parentIsRemote: parentSpanId !== undefined,
    ...state,
    startedAt: openedAt,
    endedAt: openedAt + exchange.totalSeconds * 1000,
    // Refused (4xx) and abandoned leave the status unset, as the HTTP conventions ask of a server.
    ...(outcome.kind === "failed" && { error: outcome.message ?? "" }),
    attributes: serverAttributes(exchange),
  };
  const answering = answeringAttempt(exchange);
  const clients = exchange.attempts.map((attempt, index): SpanData => {
    const startedAt = openedAt + attempt.startedAfter * 1000;
    const error = attemptError(attempt);
    return {
      name: attemptName(exchange, attempt),
      kind: "client",
      traceId,
      spanId: attempt.spanId,
      parentSpanId: spanId,
      parentIsRemote: false,
      ...state,
      startedAt,
      endedAt: startedAt + attempt.seconds * 1000,
      ...(error !== undefined && { error: "" }),
      attributes: attemptAttributes(exchange, attempt, index + 1, attempt === answering),
    };
  });
  return [server, ...clients];
}
