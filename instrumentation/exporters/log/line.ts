// The line of one exchange: flat JSON with stable names, written member by member.
import type { Exchange, Outcome } from "../../exchange.ts";
import type { LogLevel } from "../../settings.ts";
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
  const { phases, tokens, caller, purpose, trace, cost, media, bytes } = exchange;
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
    (tokens === undefined ? "" : tokenCounts(tokens)) +
    (media === undefined ? "" : mediaCounts(media)) +
    (cost === undefined ? "" : costs(cost)) +
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

/** A number member; `name` is all that stands before the number. */
const count = (name: string, value: number | undefined): string =>
  value === undefined ? "" : `${name}${numeral(value)}`;

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

const tokenCounts = (tokens: NonNullable<Exchange["tokens"]>): string =>
  count(',"input_tokens":', tokens.input) +
  count(',"output_tokens":', tokens.output) +
  count(',"cached_input_tokens":', tokens.cachedInput) +
  count(',"cache_write_tokens":', tokens.cacheWrite) +
  count(',"reasoning_tokens":', tokens.reasoning) +
  count(',"audio_input_tokens":', tokens.audioInput) +
  count(',"audio_output_tokens":', tokens.audioOutput) +
  count(',"image_input_tokens":', tokens.imageInput) +
  count(',"image_output_tokens":', tokens.imageOutput);

const mediaCounts = (media: NonNullable<Exchange["media"]>): string =>
  count(',"images":', media.images) +
  count(',"characters":', media.characters) +
  count(',"audio_seconds":', media.audioSeconds);

const costs = (cost: NonNullable<Exchange["cost"]>): string =>
  cost.status === "unpriced"
    ? ',"cost_status":"unpriced"'
    : `,"cost_status":"${cost.status}","cost_usd":${usdText(cost.nanoUsd)},"cost_nano_usd":${numeral(cost.nanoUsd)}` +
      `,"price":"${escaped(cost.price)}"`;

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
