// Facts about a line's text: byte for byte what JSON.stringify makes of the flat object.
import { describe, expect, test } from "vitest";
import type { Exchange, Media, Tokens } from "../../exchange.ts";
import type { Outcome } from "../../outcome.ts";
import { failedExchange, sampleAttempt, sampleExchange, sampleWithout } from "../../testing/exchange.ts";
import { line } from "./line.ts";
import { isoTimes, secondsText, usdText } from "./text.ts";

const micros = (seconds: number) => Math.round(seconds * 1e6) / 1e6;

/** The same line said plainly. */
function reference(exchange: Exchange): string {
  const { outcome, phases, tokens, caller, purpose, trace, attempts, cost, media, model, totalSeconds } = exchange;
  const saved = exchange.cacheSaved;
  const price = cost?.status === "unpriced" ? undefined : cost;
  const subject = model.requested
    ? `${exchange.operation} ${model.requested}`
    : `${exchange.method} ${exchange.endpoint}`;
  const time = totalSeconds < 10 ? `${Math.round(totalSeconds * 1000)} ms` : `${totalSeconds.toFixed(1)} s`;
  const sentences = {
    completed: `${subject} ${outcome.status} in ${time}`,
    abandoned: `${subject} abandoned by the client after ${time}`,
    refused: `${subject} ${outcome.status} refused (${"reason" in outcome && outcome.reason}) in ${time}`,
    failed: `${subject} ${outcome.status} failed (${"reason" in outcome && outcome.reason}) in ${time}`,
  };
  return `${JSON.stringify({
    level: "info",
    time: new Date(exchange.openedAt + totalSeconds * 1000).toISOString(),
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
    duration_seconds: micros(totalSeconds),
    first_token_seconds: exchange.firstTokenSeconds === undefined ? undefined : micros(exchange.firstTokenSeconds),
    receive_seconds: micros(phases.receive),
    queue_seconds: micros(phases.queue),
    backoff_seconds: micros(phases.backoff),
    connect_seconds: micros(phases.connect),
    first_byte_seconds: micros(phases.firstByte),
    stream_seconds: micros(phases.stream),
    overhead_seconds: micros(phases.overhead),
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
    cost_usd: price && price.nanoUsd / 1e9,
    cost_nano_usd: price?.nanoUsd,
    price: price?.price,
    cache_saved_input_tokens: saved?.tokens?.input,
    cache_saved_output_tokens: saved?.tokens?.output,
    cache_saved_cached_input_tokens: saved?.tokens?.cachedInput,
    cache_saved_cache_write_tokens: saved?.tokens?.cacheWrite,
    cache_saved_reasoning_tokens: saved?.tokens?.reasoning,
    cache_saved_audio_input_tokens: saved?.tokens?.audioInput,
    cache_saved_audio_output_tokens: saved?.tokens?.audioOutput,
    cache_saved_image_input_tokens: saved?.tokens?.imageInput,
    cache_saved_image_output_tokens: saved?.tokens?.imageOutput,
    cache_saved_images: saved?.media?.images,
    cache_saved_characters: saved?.media?.characters,
    cache_saved_audio_seconds: saved?.media?.audioSeconds,
    cache_saved_usd: saved?.nanoUsd === undefined ? undefined : saved.nanoUsd / 1e9,
    cache_saved_nano_usd: saved?.nanoUsd,
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
    msg: sentences[outcome.kind],
  })}\n`;
}

let seed = 11;
const random = (below: number) => {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % below;
};
const oneOf = <T>(choices: readonly T[]): T => choices[random(choices.length)] as T;
const maybe = <K extends string, T>(name: K, value: T): { [k in K]?: T } =>
  (random(2) === 0 ? {} : { [name]: value }) as { [k in K]?: T };

const words = [
  ...'gpt-4o|OpenAI/JS 7.55.0|a"b|back\\slash|tab\there|nul\0|\u007f|\u2028\u2029|ünïcode|😀|{}'.split("|"),
];
// Halves of a character that are alone, in the middle and at either end.
const texts = [...words, "", "\ud83d", "\ude00 x", "x\ud83dx", "\u001b[31m", "x".repeat(300)];
const numbers = [0, 1, 7, 999, 1_000, 1_001, 999_999, 1_000_000, 2 ** 31, 2 ** 53, 1.5, 1e21, Number.NaN, -1, -0];
const seconds = () =>
  oneOf([0, random(1e9) / 1e6, random(1e9) / 1e3, random(1e9) / 1e8, 1e-6, 0.1, 1, 4.9e-7, 1e10, 3e22]);

const outcomes = (): Outcome =>
  oneOf<Outcome>([
    { kind: "completed", status: oneOf([200, 201]), finish: oneOf(texts) },
    { kind: "abandoned", status: 499 },
    { kind: "refused", status: 429, reason: "budget", severity: "warning", ...maybe("message", oneOf(texts)) },
    { kind: "failed", status: 502, reason: "timeout", severity: "critical", ...maybe("message", oneOf(texts)) },
  ]);
const tokenNames = "input output cachedInput cacheWrite reasoning audioInput audioOutput imageInput imageOutput";
const tokens = (): Tokens => Object.assign({}, ...tokenNames.split(" ").map((name) => maybe(name, oneOf(numbers))));
const media = (): Media => ({
  ...maybe("images", oneOf(numbers)),
  ...maybe("characters", oneOf(numbers)),
  ...maybe("audioSeconds", oneOf(numbers)),
  voice: "canary",
});

function anyExchange(): Exchange {
  const nanoUsd = oneOf([...numbers, random(1e9), random(1e9) * 1_000, random(1e9) * 1e6, 10 ** random(16)]);
  const amounts = { nanoUsd, input: 0, output: 0, other: 0 };
  return {
    ...sampleWithout("tokens", "cost", "usageSource", "firstTokenSeconds", "messageCount"),
    openedAt: 1.7e12 + random(1e9) / 7,
    operation: oneOf(["chat", "files"]),
    method: oneOf(["POST", 'X"Y']),
    endpoint: oneOf(["/v1/files/{id}", '/"']),
    model: { ...maybe("requested", oneOf(texts.filter(Boolean))), ...maybe("served", oneOf(texts)) },
    streamed: oneOf([true, false]),
    attempts: oneOf([[], [sampleAttempt], [sampleAttempt, { ...sampleAttempt, backend: oneOf(texts) }]]),
    cache: oneOf(["hit", "miss", "bypass"]),
    phases: {
      receive: seconds(),
      queue: oneOf([0, seconds()]),
      backoff: oneOf([0, seconds()]),
      connect: seconds(),
      firstByte: seconds(),
      stream: seconds(),
      overhead: seconds(),
    },
    totalSeconds: oneOf([random(1e9) / 1e8, random(1e9) / 1e6]),
    bytes: { request: oneOf(numbers), response: random(1e9) },
    outcome: outcomes(),
    caller: {
      auth: "none",
      ...maybe("keyLabel", oneOf(texts)),
      ...maybe("user", oneOf(texts)),
      ...maybe("requestId", oneOf(texts)),
      ...maybe("address", oneOf(texts)),
      ...maybe("userAgent", oneOf(texts)),
    },
    purpose: {
      ...maybe("feature", oneOf(texts)),
      ...maybe("scenario", oneOf(texts)),
      ...maybe("session", oneOf(texts)),
      ...maybe("metadata", { secret: "canary" }),
    },
    ...maybe("firstTokenSeconds", seconds()),
    ...maybe("usageSource", oneOf(["provider", "estimated", "missing"] as const)),
    ...maybe("tokens", tokens()),
    ...maybe("media", media()),
    ...maybe("cacheSaved", {
      backend: "canary",
      provider: "canary",
      seconds: 1,
      ...maybe("tokens", tokens()),
      ...maybe("media", media()),
      ...maybe("nanoUsd", nanoUsd),
    }),
    ...maybe("cost", oneOf([{ status: "unpriced" }, { status: "exact", ...amounts, price: oneOf(texts) }] as const)),
  };
}

describe("a line is what JSON.stringify makes of the flat object", () => {
  test.each([sampleExchange(), failedExchange(), sampleWithout("tokens", "cost", "usageSource", "messageCount")])(
    "of a sample, %#",
    (exchange) => {
      expect(line(exchange, "info")).toBe(reference(exchange));
    },
  );

  test("of exchanges that differ in one member, in turns", () => {
    const completed = { kind: "completed", status: 200, finish: "stop" } as const;
    const variants = [
      {},
      { operation: "response" },
      { method: "GET" },
      { endpoint: "/v1/responses" },
      { model: { requested: "other", served: "gpt-4o-mini-2024-07-18" } },
      { model: { requested: "gpt-4o-mini" } },
      { model: { served: "gpt-4o-mini-2024-07-18" } },
      { model: {} },
      { model: { requested: "m" } },
      { model: { requested: "m", served: "m" } },
      { attempts: [] },
      { attempts: [sampleAttempt, sampleAttempt] },
      { attempts: [{ ...sampleAttempt, backend: "spare" }] },
      { outcome: { ...completed, status: 201 } },
      { outcome: { ...completed, finish: "length" } },
      { outcome: { ...completed, finish: "" } },
      { streamed: false },
      { cache: "hit" },
      { usageSource: "estimated" },
      { model: { requested: "x".repeat(2_000) } },
    ] satisfies Partial<Exchange>[];
    for (let round = 0; round < 3; round++) {
      for (const changes of variants) {
        // Next to a kind that was just written, and among more than are kept.
        for (const exchange of [sampleExchange(), sampleExchange(changes), sampleExchange(changes)])
          expect(line(exchange, "info")).toBe(reference(exchange));
      }
    }
  });

  test("of 5,000 random exchanges with odd texts and odd numbers", () => {
    for (let round = 0; round < 5_000; round++) {
      const exchange = anyExchange();
      expect(line(exchange, "info")).toBe(reference(exchange));
    }
  });
});

test("seconds are whole microseconds, in the decimals of the double", () => {
  for (let round = 0; round < 20_000; round++) {
    const value = random(2_147_483_647) / oneOf([1, 7, 1e3, 1e6, 1e9, 1e12]);
    expect(secondsText(value)).toBe(JSON.stringify(micros(value)));
  }
  for (const value of [0, -0, -1, 1e-7, 999_999_999.999_999, 1e9, 1e15, 1e300, Number.NaN, Number.POSITIVE_INFINITY])
    expect(secondsText(value)).toBe(JSON.stringify(micros(value)));
});

test("nano-USD are USD, in the decimals of the double", () => {
  for (let round = 0; round < 20_000; round++) {
    const value = Math.floor((random(2_147_483_647) * 465_661) / 10 ** random(15)) * 10 ** random(4);
    expect(usdText(value)).toBe(JSON.stringify(value / 1e9));
  }
  for (const value of [0, 1, 999, 1_000, 1_500, 0.5, -7, 1e9, 1e15 - 1, 1e15, 2 ** 53, 1e25, Number.NaN])
    expect(usdText(value)).toBe(JSON.stringify(value / 1e9));
});

test("a time is the ISO string of its date, in any order of seconds", () => {
  const isoTime = isoTimes();
  for (const at of [
    0, 0.9, 999, 1_000, 1_790_000_000_000.25, 1_790_000_000_999.999, 1_790_000_000_001, -1, -0.5, 253_402_300_800_000,
  ])
    expect(isoTime(at)).toBe(new Date(at).toISOString());
  expect(() => isoTime(Number.NaN)).toThrow(RangeError);
});
