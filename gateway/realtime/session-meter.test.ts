import { describe, expect, test } from "vitest";
import { ExchangeDraft } from "../../instrumentation/index.ts";
import { model, realtimeScene } from "../testing/realtime-scene.ts";
import { sessionMeter } from "./session-meter.ts";

const served = "gpt-realtime-2025-08-28";
const created = { type: "session.created", event_id: "e", session: { type: "realtime", id: "sess_1", model: served } };

const usage = (
  text: number,
  audio: number,
  cachedText: number,
  cachedAudio: number,
  out: number,
  outAudio: number,
) => ({
  total_tokens: text + audio + out + outAudio,
  input_tokens: text + audio,
  output_tokens: out + outAudio,
  input_token_details: {
    text_tokens: text,
    audio_tokens: audio,
    cached_tokens: cachedText + cachedAudio,
    cached_tokens_details: { text_tokens: cachedText, audio_tokens: cachedAudio },
  },
  output_token_details: { text_tokens: out, audio_tokens: outAudio },
});

const done = (more: object) => ({
  type: "response.done",
  event_id: "e",
  response: { object: "realtime.response", ...more },
});

describe("a session that goes through", () => {
  test("becomes one exchange with the tokens, cost, model and times of all that was said", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    expect(await stage.gauge("gateway_open_streams")).toBe(1);
    there.socket.send(JSON.stringify(created));
    await here.got(1);
    here.socket.send(JSON.stringify({ type: "response.create" }));
    await there.got(1);
    for (const event of [
      { type: "response.created", response: {} },
      { type: "response.output_item.added", item: { type: "message", content: [] } },
      { type: "response.output_audio.delta", delta: "AAAA".repeat(10_000) },
      done({ status: "completed", usage: usage(100, 1_000, 20, 300, 50, 500) }),
      { type: "response.created", response: {} },
      done({ status: "cancelled", usage: usage(200, 2_000, 64, 0, 5, 7) }),
      { type: "response.created", response: {} },
      done({ status: "failed", usage: null }),
    ]) {
      there.socket.send(JSON.stringify(event));
    }
    await here.got(9);
    here.socket.close(1000);
    await stage.tollgate.settled(1);
    expect(await stage.gauge("gateway_open_streams")).toBe(0);

    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({
      operation: "realtime",
      endpoint: "/v1/realtime",
      method: "GET",
      streamed: true,
      model: { requested: model, served },
      outcome: { kind: "completed", status: 101, finish: "closed" },
      tokens: {
        input: 3_300,
        output: 562,
        cachedInput: 384,
        cachedAudioInput: 300,
        audioInput: 3_000,
        audioOutput: 507,
      },
      usageSource: "provider",
    });
    // USD per million: text 4, audio 32, cached text and cached audio 0.4; out: text 16, audio 64.
    const input = (300 - 84) * 4_000 + 84 * 400 + (3_000 - 300) * 32_000 + 300 * 400;
    const output = 55 * 16_000 + 507 * 64_000;
    expect(exchange.cost).toMatchObject({ status: "exact", input, output, nanoUsd: input + output });
    expect(exchange.bytes.response).toBe(here.messages.reduce((sum, { data }) => sum + data.length, 0));
    expect(exchange.firstTokenSeconds).toBeGreaterThan(0);
    const { phases, attempts } = exchange;
    expect([phases.queue, phases.backoff]).toEqual([0, 0]);
    expect(phases.stream).toBeGreaterThan(0);
    const [attempt] = attempts;
    expect(attempt).toMatchObject({ backend: "fake", provider: "openai", model, status: 101, result: "completed" });
    expect(attempt?.connectSeconds).toBeGreaterThan(0);
    expect(attempt?.connectSeconds).toBeCloseTo(phases.connect, 6);
    expect(attempt?.firstByteSeconds).toBeCloseTo(phases.firstByte, 6);
    expect(stage.tollgate.spans.map(({ kind, name }) => [kind, name])).toHaveLength(2);
  });

  test("but says nothing of usage has none, and no cost", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    there.socket.send(Buffer.from(JSON.stringify(done({ usage: usage(1, 0, 0, 0, 1, 0) }))));
    await here.got(1);
    here.socket.close();
    const exchange = await stage.onlyExchange();
    // What is binary is no event.
    expect([exchange.tokens, exchange.usageSource, exchange.cost]).toEqual([undefined, undefined, undefined]);
    expect(exchange.firstTokenSeconds).toBeUndefined();
  });

  test("with messages that are no events goes on, and is metered all the same", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect();
    const there = await stage.there();
    const odd = [
      '{"type":"response.done"',
      '{"type":"response.done","response":7}',
      '{"type":"response.done","response":{"usage":{"input_tokens":"many"}}}',
      '{"type":"session.created","session":[]}',
      '{"type":"session.created","session":{"type":{},"model":{},"audio":{"input":[]}}}',
      '"type":"response.done"',
      "null",
      `{"type":"response.done","response":${"[".repeat(20_000)}`,
      `{"__proto__":{"type":"response.done"},"response":{"usage":{}}}`,
    ];
    for (const text of [...odd, JSON.stringify(done({ usage: usage(2, 0, 0, 0, 3, 0) }))]) there.socket.send(text);
    await here.got(odd.length + 1);
    expect(here.texts.slice(0, -1)).toEqual(odd);
    here.socket.close();
    expect((await stage.onlyExchange()).tokens).toMatchObject({ input: 2, output: 3 });
  });
});

const draft = () =>
  new ExchangeDraft({
    id: "1",
    openedAt: 0,
    startedAt: 0,
    operation: "realtime",
    serviceType: "other",
    endpoint: "/v1/realtime",
    method: "GET",
    trace: { traceId: "", spanId: "" },
    caller: { auth: "none" },
    purpose: {},
  });

/** A meter that has seen these events. */
function metered(...events: readonly unknown[]) {
  const open = draft();
  const meter = sessionMeter(open, () => 7);
  for (const event of events) meter.see(Buffer.from(typeof event === "string" ? event : JSON.stringify(event)));
  return { meter, findings: meter.findings(), firstTokenAt: open.firstTokenAt };
}

describe("the first token", () => {
  test.each([
    "response.output_audio.delta",
    "response.audio.delta",
    "response.text.delta",
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
    "response.function_call_arguments.delta",
  ])("is in %s", (type) => expect(metered({ event_id: "e", type, delta: "x" }).firstTokenAt).toBe(7));

  test.each([
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "conversation.item.input_audio_transcription.delta",
    "rate_limits.updated",
  ])("is not in %s", (type) => expect(metered({ type, delta: "x" }).firstTokenAt).toBeUndefined());

  test("is none after the session is closed", () => {
    const open = draft();
    const meter = sessionMeter(open, () => 7);
    open.close({ kind: "abandoned", status: 499 }, 5);
    meter.see(Buffer.from('{"type":"response.text.delta"}'));
    expect(open.firstTokenAt).toBeUndefined();
  });
});

describe("usage", () => {
  const tokens = { input: 3, output: 4 };
  const spent = { usage: { input_tokens: 3, output_tokens: 4 } };

  test.each([
    ["small", done(spent)],
    ["with much to say", done({ output: ["x".repeat(30_000)], ...spent })],
    ["with a great deal to say", done({ output: [{ transcript: 'a "quoted" word '.repeat(20_000) }], ...spent })],
    [
      "with its type last",
      { event_id: "e", response: { output: ["x".repeat(40_000)], ...spent }, type: "response.done" },
    ],
    ["with its type in the middle", { a: "x".repeat(300), type: "response.done", response: spent, z: "x".repeat(300) }],
  ])("of a response %s is counted", (_, event) => expect(metered(event).findings.tokens).toEqual(tokens));

  test("of a response in pretty JSON is counted", () =>
    expect(metered(JSON.stringify(done(spent), null, 4)).findings.tokens).toEqual(tokens));

  test("quoted in what is said is not counted", () =>
    expect(
      metered({ type: "response.text.delta", delta: JSON.stringify(done(spent)) }).findings.tokens,
    ).toBeUndefined());

  test("is missing where a response began and none came", () => {
    const { findings, meter } = metered({ type: "response.created", response: {} });
    expect([findings, meter.answering]).toEqual([{ usageSource: "missing" }, true]);
  });

  test("of a response larger than any is missing, not 0", () => {
    const { findings, meter } = metered(done({ output: "x".repeat(1_100_000), ...spent }));
    expect([findings, meter.answering]).toEqual([{ usageSource: "missing" }, false]);
  });

  test("past what can be counted is unknown", () => {
    const most = done({ usage: { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 1 } });
    expect(metered(most, most).findings.tokens).toStrictEqual({ output: 2 });
  });

  test("of a transcription beside a conversation is not the conversation's", () => {
    const beside = {
      type: "conversation.item.input_audio_transcription.completed",
      usage: { type: "tokens", ...spent.usage },
    };
    expect(metered(created, beside, done(spent)).findings).toEqual({ served, tokens, usageSource: "provider" });
  });

  test.each([
    {
      type: "session.created",
      session: { type: "transcription", audio: { input: { transcription: { model: "gpt-4o-transcribe" } } } },
    },
    { type: "transcription_session.updated", session: { input_audio_transcription: { model: "gpt-4o-transcribe" } } },
  ])("of a transcription session is that of its transcriptions ($type)", (session) => {
    const transcribed = (usage: object) => ({
      type: "conversation.item.input_audio_transcription.completed",
      transcript: "hello",
      usage,
    });
    const delta = { type: "conversation.item.input_audio_transcription.delta", delta: "h" };
    const { findings, firstTokenAt } = metered(
      session,
      delta,
      transcribed({ type: "tokens", input_tokens: 10, output_tokens: 2, input_token_details: { audio_tokens: 9 } }),
      transcribed({ type: "duration", seconds: 1.5 }),
      transcribed({ type: "duration", seconds: 2 }),
    );
    expect(findings).toEqual({
      served: "gpt-4o-transcribe",
      tokens: { input: 10, output: 2, audioInput: 9 },
      media: { audioSeconds: 3.5 },
      usageSource: "provider",
    });
    expect(firstTokenAt).toBe(7);
  });
});

describe("the cost of a look", () => {
  const times = (message: Buffer) => {
    const meter = sessionMeter(draft(), () => 7);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      meter.see(message);
      best = Math.min(best, performance.now() - from);
    }
    return best;
  };

  test.each([
    ["an audio delta of 10 MB", JSON.stringify({ type: "response.output_audio.delta", delta: "A".repeat(10_000_000) })],
    ["10 MB of nothing", " ".repeat(10_000_000)],
    ["a response of 10 MB", JSON.stringify(done({ output: ["x".repeat(10_000_000)] }))],
    ["10 MB of brackets", `{"type":"response.done","response":${"[".repeat(10_000_000)}`],
  ])("at %s is bounded", (_, text) => expect(times(Buffer.from(text))).toBeLessThan(1));
});
