// The log exporter: one line of JSON for each exchange, flat and with stable names.
import type { Exchange, Outcome } from "../exchange.ts";
import type { LogOutput } from "../log-output.ts";
import type { Exporter } from "../pipeline.ts";
import type { LogLevel, LogSettings } from "../settings.ts";

export interface LogOptions {
  readonly output: LogOutput;
  readonly settings: LogSettings;
}

/** Weight of each level, as in pino; `silent` is above them all. */
const weights: Record<LogLevel, number> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
};

/** The level of an exchange's line. */
const outcomeLevels = {
  completed: "info",
  refused: "warn",
  abandoned: "warn",
  failed: "error",
} as const satisfies Record<Outcome["kind"], LogLevel>;

/**
 * Writes one line per exchange, below the set level nothing. The line is built in one `JSON.stringify` of one flat
 * object, which is cheaper than a general logger's way. Durations are seconds, money is USD and whole nano-USD;
 * unknown is absent. Metadata and message content have no place in it.
 */
export function log({ output, settings }: LogOptions): Exporter {
  const least = weights[settings.level];
  return {
    name: "log",
    export(record) {
      if (record.kind !== "exchange" || weights[outcomeLevels[record.outcome.kind]] < least) return;
      output.write(`${JSON.stringify(fields(record))}\n`);
    },
    shutdown: () => output.flush(),
  };
}

/** Names are a contract: people search and count by them. */
function fields(exchange: Exchange) {
  const { outcome, phases, tokens, caller, purpose, trace, attempts, cost, media, model } = exchange;
  const price = cost?.status === "unpriced" ? undefined : cost;
  return {
    level: outcomeLevels[outcome.kind],
    time: new Date(exchange.openedAt + exchange.totalSeconds * 1000).toISOString(),
    id: exchange.id,
    trace_id: trace.traceId,
    span_id: trace.spanId,
    operation: exchange.operation,
    method: exchange.method,
    endpoint: exchange.endpoint,
    model: model.requested,
    served_model: model.served,
    backend: attempts.at(-1)?.backend,
    attempts: attempts.length,
    status: outcome.status,
    outcome: outcome.kind,
    reason: "reason" in outcome ? outcome.reason : undefined,
    severity: "severity" in outcome ? outcome.severity : undefined,
    error: "message" in outcome ? outcome.message : undefined,
    finish: outcome.kind === "completed" && outcome.finish !== "" ? outcome.finish : undefined,
    streamed: exchange.streamed,
    cache: exchange.cache,
    duration_seconds: short(exchange.totalSeconds),
    first_token_seconds: short(exchange.firstTokenSeconds),
    receive_seconds: short(phases.receive),
    queue_seconds: short(phases.queue),
    backoff_seconds: short(phases.backoff),
    connect_seconds: short(phases.connect),
    first_byte_seconds: short(phases.firstByte),
    stream_seconds: short(phases.stream),
    overhead_seconds: short(phases.overhead),
    usage_source: exchange.usageSource,
    input_tokens: tokens?.input,
    output_tokens: tokens?.output,
    cached_input_tokens: tokens?.cachedInput,
    cache_write_tokens: tokens?.cacheWrite,
    reasoning_tokens: tokens?.reasoning,
    audio_input_tokens: tokens?.audioInput,
    audio_output_tokens: tokens?.audioOutput,
    image_input_tokens: tokens?.imageInput,
    image_output_tokens: tokens?.imageOutput,
    images: media?.images,
    characters: media?.characters,
    audio_seconds: media?.audioSeconds,
    cost_status: cost?.status,
    // The nearest double to the exact decimal, which prints as that decimal below a million USD.
    cost_usd: price === undefined ? undefined : price.nanoUsd / 1e9,
    cost_nano_usd: price?.nanoUsd,
    price: price?.price,
    request_bytes: exchange.bytes.request,
    response_bytes: exchange.bytes.response,
    key: caller.keyLabel,
    user: caller.user,
    feature: purpose.feature,
    scenario: purpose.scenario,
    session: purpose.session,
    client_request_id: caller.requestId,
    client_address: caller.address,
    user_agent: caller.userAgent,
    msg: sentence(exchange),
  };
}

/** Whole microseconds: a clock's further digits are noise, and cost bytes. */
const short = <T extends number | undefined>(seconds: T) =>
  seconds === undefined ? undefined : Math.round(seconds * 1e6) / 1e6;

/** What happened, for a person: `chat demo 200 in 412 ms`, `chat demo 502 failed (unreachable) in 3.1 s`. */
function sentence({ operation, endpoint, method, model, outcome, totalSeconds }: Exchange): string {
  const subject = model.requested === undefined ? `${method} ${endpoint}` : `${operation} ${model.requested}`;
  const time = totalSeconds < 10 ? `${Math.round(totalSeconds * 1000)} ms` : `${totalSeconds.toFixed(1)} s`;
  switch (outcome.kind) {
    case "completed":
      return `${subject} ${outcome.status} in ${time}`;
    case "abandoned":
      return `${subject} abandoned by the client after ${time}`;
    default:
      return `${subject} ${outcome.status} ${outcome.kind} (${outcome.reason}) in ${time}`;
  }
}
