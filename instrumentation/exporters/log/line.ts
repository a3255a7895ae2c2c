// The line of one exchange: flat JSON with stable names, written member by member.
import type { CacheSaved } from "../../cache-saved.ts";
import { discardedNanoUsd } from "../../discarded.ts";
import type { Exchange } from "../../exchange.ts";
import type { Outcome } from "../../outcome.ts";
import type { LogLevel } from "../../settings.ts";
import { counts } from "./counts.ts";
import { kinds } from "./kinds.ts";
import { escaped, isoTimes, numeral, secondsText, usdText } from "./text.ts";

const isoTime = isoTimes();

/**
 * What `JSON.stringify` would make of the flat object, at a third of its price: half of that went into the shortest
 * decimals of ten doubles. Names are a contract: people search and count by them. Durations are seconds, money is USD
 * and whole nano-USD; unknown is absent. Metadata and message content have no place in it.
 *
 * Ids of ours are hexadecimal and need no escaping, nor do words of a closed set; every other text is looked at.
 */
export function line(exchange: Exchange, level: LogLevel): string {
  const { phases, tokens, caller, purpose, trace, cost, media, bytes, cacheSaved } = exchange;
  const endedAt = exchange.openedAt + exchange.totalSeconds * 1000;
  return (
    `{"level":"${level}","time":"${isoTime(endedAt)}","id":"${exchange.id}"` +
    `,"trace_id":"${trace.traceId}","span_id":"${trace.spanId}"` +
    kindMembers(exchange) +
    `,"duration_seconds":${secondsText(exchange.totalSeconds)}` +
    (exchange.firstTokenSeconds === undefined
      ? ""
      : `,"first_token_seconds":${secondsText(exchange.firstTokenSeconds)}`) +
    `,"receive_seconds":${secondsText(phases.receive)},"queue_seconds":${secondsText(phases.queue)}` +
    `,"backoff_seconds":${secondsText(phases.backoff)},"connect_seconds":${secondsText(phases.connect)}` +
    `,"first_byte_seconds":${secondsText(phases.firstByte)},"stream_seconds":${secondsText(phases.stream)}` +
    `,"overhead_seconds":${secondsText(phases.overhead)}` +
    (exchange.usageSource === undefined ? "" : `,"usage_source":"${exchange.usageSource}"`) +
    (tokens === undefined ? "" : used.tokens(tokens)) +
    (media === undefined ? "" : used.media(media)) +
    (cost === undefined ? "" : costs(cost)) +
    lost(discardedNanoUsd(exchange)) +
    (cacheSaved === undefined ? "" : savings(cacheSaved)) +
    text(',"response_id":"', exchange.responseId) +
    `,"request_bytes":${numeral(bytes.request)},"response_bytes":${numeral(bytes.response)}` +
    text(',"key":"', caller.keyLabel) +
    text(',"user":"', caller.user) +
    text(',"feature":"', purpose.feature) +
    text(',"scenario":"', purpose.scenario) +
    text(',"session":"', purpose.session) +
    text(',"client_request_id":"', caller.requestId) +
    text(',"client_address":"', caller.address) +
    text(',"user_agent":"', caller.userAgent) +
    `,"msg":"${sentence(exchange)}"}\n`
  );
}

/** A text member; `name` is all that stands before the text. */
const text = (name: string, value: string | undefined): string =>
  value === undefined ? "" : `${name}${escaped(value)}"`;

const kindMembers = kinds(
  ({ outcome, model, operation, method, endpoint, attempts, streamed, cache }) =>
    `,"operation":"${operation}","method":"${escaped(method)}","endpoint":"${escaped(endpoint)}"` +
    text(',"model":"', model.requested) +
    text(',"served_model":"', model.served) +
    text(',"backend":"', attempts.at(-1)?.backend) +
    `,"attempts":${attempts.length},"status":${numeral(outcome.status)},"outcome":"${outcome.kind}"` +
    ending(outcome) +
    `,"streamed":${streamed},"cache":"${cache}"`,
);

function ending(outcome: Outcome): string {
  switch (outcome.kind) {
    case "completed":
      return outcome.finish === "" ? "" : `,"finish":"${escaped(outcome.finish)}"`;
    case "abandoned":
      return "";
    default:
      return `,"reason":"${outcome.reason}","severity":"${outcome.severity}"${text(',"error":"', outcome.message)}`;
  }
}

const saved = "cache_saved_";
const used = counts("");
const spared = counts(saved);

const costs = (cost: NonNullable<Exchange["cost"]>): string =>
  cost.status === "unpriced"
    ? ',"cost_status":"unpriced"'
    : `,"cost_status":"${cost.status}","cost_usd":${usdText(cost.nanoUsd)},"cost_nano_usd":${numeral(cost.nanoUsd)}` +
      `,"price":"${escaped(cost.price)}"`;

/** What answers have cost besides that were discarded for this one. */
const lost = (nanoUsd: number): string =>
  nanoUsd === 0 ? "" : `,"discarded_usd":${usdText(nanoUsd)},"discarded_nano_usd":${numeral(nanoUsd)}`;

/** What an answer from the cache stands for: its own usage and cost are none. */
const savings = ({ tokens, media, nanoUsd }: CacheSaved): string =>
  (tokens === undefined ? "" : spared.tokens(tokens)) +
  (media === undefined ? "" : spared.media(media)) +
  (nanoUsd === undefined ? "" : `,"${saved}usd":${usdText(nanoUsd)},"${saved}nano_usd":${numeral(nanoUsd)}`);

/** What happened, for a person: `chat demo 200 in 412 ms`, `chat demo 502 failed (unreachable) in 3.1 s`. */
function sentence({ operation, method, endpoint, model, outcome, totalSeconds }: Exchange): string {
  const subject =
    model.requested === undefined
      ? `${escaped(method)} ${escaped(endpoint)}`
      : `${operation} ${escaped(model.requested)}`;
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
