import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type Exchange, redact } from "../instrumentation/index.ts";
import {
  type AnswerOptions,
  answer,
  byteByByte,
  dropAsTheNextArrives,
  errorAnswer,
  eventStream,
  hangUp,
  json,
  raw,
  silence,
} from "./testing/answers.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatEvents, chatRequest, event } from "./testing/payloads.ts";
import type { RawAnswer } from "./testing/raw-client.ts";
import { type SceneOptions, scene } from "./testing/scene.ts";
import type { Answer } from "./testing/turn.ts";

const model = "gpt-4o-mini";
const usage = { input: 11, output: 7, cached: 3, reasoning: 2 };
const tokens = { input: 11, output: 7, cachedInput: 3, reasoning: 2 };
const events = chatEvents({ model, usage });
const stream = events.join("");
const whole = JSON.stringify(chatCompletion(model, usage));

/** A request whose client asked for usage itself, so that not one byte may differ. */
const asked = chatRequest(model, { stream: true, stream_options: { include_usage: true } });
const plain = chatRequest(model);

interface Row {
  readonly name: string;
  readonly script: readonly Answer[];
  readonly request?: object;
  readonly settings?: SceneOptions;
  /** What the client sees. */
  readonly status?: number;
  readonly body?: Buffer | string;
  readonly ended?: RawAnswer["ended"];
  readonly fields?: readonly Field[];
  /** What the record says. */
  readonly outcome?: Partial<Record<"kind" | "reason" | "status" | "finish", unknown>>;
  readonly tokens?: object;
  readonly usageSource?: Exchange["usageSource"];
  readonly attempts?: number;
}

const ok = { kind: "completed", status: 200, finish: "stop" };
const broken = { kind: "failed", reason: "broken_stream", status: 200 };

/** One request through a fresh gateway: the client's bytes are the backend's, and one Exchange says what happened. */
async function holds(row: Row): Promise<{ exchange: Exchange; got: RawAnswer }> {
  await using stage = await scene({ ...row.settings, script: row.script });
  const got = await stage.post("/chat/completions", row.request ?? plain);
  expect(got.status).toBe(row.status ?? 200);
  if (row.body !== undefined) {
    const expected = Buffer.from(row.body);
    expect(got.body.length).toBe(expected.length);
    expect(got.body.equals(expected)).toBe(true);
  }
  expect(got.ended).toBe(row.ended ?? "complete");
  for (const [name, value] of row.fields ?? []) expect(got.header(name)).toBe(value);
  const exchange = await stage.onlyExchange();
  expect(exchange.outcome).toMatchObject(row.outcome ?? ok);
  expect(exchange.attempts).toHaveLength(row.attempts ?? 1);
  expect(exchange.attempts.at(-1)?.result).toBe(exchange.outcome.kind);
  if (row.tokens) expect(exchange.tokens).toMatchObject(row.tokens);
  if (row.usageSource) expect(exchange.usageSource).toBe(row.usageSource);
  expect(exchange.bytes.response).toBe(got.body.length);
  expect(got.header("x-request-id")).toBe(exchange.id);
  return { exchange, got };
}

const streamed = (
  name: string,
  body: AnswerOptions["body"] & {},
  sent: Buffer | string,
  more: Partial<Row> = {},
): Row => ({
  name,
  script: [eventStream(body)],
  request: asked,
  body: sent,
  tokens,
  usageSource: "provider",
  ...more,
});

describe("a stream is passed on byte for byte and metered", () => {
  const lines = (lineEnd: "\r\n" | "\r") => chatEvents({ model, usage, lineEnd });
  const [role = "", ...rest] = events;
  const noisy = [
    ": hello\n\n",
    role,
    ": ping\n\n",
    "id: 1\nretry: 10\n\n",
    ":\n",
    ...rest.slice(0, -2),
    ": ping\n\n",
    ...rest.slice(-2),
  ];
  const pretty = (value: string) => event(JSON.stringify(JSON.parse(value), null, 2).replaceAll("\n", "\ndata: "));
  const multiline = events.map((text) => (text.includes("{") ? pretty(text.slice(6)) : text));
  const hugeWord = "x".repeat(5_000_000);
  const huge = chatEvents({ model, usage, words: ["a", hugeWord, "b"] });
  const packed = (coding: string, pack: (text: string) => Buffer): Row => {
    const bytes = pack(stream);
    const half = bytes.length >> 1;
    const headers: Field[] = [["Content-Encoding", coding]];
    return streamed(`${coding} that nobody asked for`, "", bytes, {
      script: [eventStream([bytes.subarray(0, half), 2, bytes.subarray(half)], { headers })],
      fields: [["content-encoding", coding]],
    });
  };

  test.each<Row>([
    streamed("in events", events, stream),
    streamed("in one piece", [stream], stream),
    streamed("byte by byte", byteByByte(stream), stream),
    streamed("by the connection's end", "", stream, { script: [eventStream(events, { framing: "close" })] }),
    streamed("by length", "", stream, { script: [eventStream(stream, { framing: "length" })] }),
    streamed("with CRLF line ends", lines("\r\n"), lines("\r\n").join("")),
    streamed("with CR line ends", lines("\r"), lines("\r").join("")),
    streamed("with comments, pings, ids and retries", noisy, noisy.join("")),
    streamed("with data in several lines, pretty-printed", multiline, multiline.join("")),
    streamed("with an event of 5 MB", huge, huge.join("")),
    packed("gzip", (text) => gzipSync(text)),
    packed("br", (text) => brotliCompressSync(text)),
    packed("deflate", (text) => deflateSync(text)),
    packed("zstd", (text) => zstdCompressSync(text)),
    streamed("under application/json", "", stream, {
      script: [answer({ body: events, headers: [["Content-Type", "application/json"]] })],
    }),
    streamed("under no content type", "", stream, { script: [answer({ body: events })] }),
    streamed("after informational answers", "", stream, {
      script: [
        eventStream(events, {
          before: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        }),
      ],
    }),
    streamed("that has no usage", chatEvents({ model }), chatEvents({ model }).join(""), {
      tokens: {},
      usageSource: "estimated",
    }),
    streamed("with usage beside the last choice", [], "", {
      ...(() => {
        const odd = events.slice(0, -3).concat(
          event({
            model,
            usage: { prompt_tokens: 11, completion_tokens: 7 },
            choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
          }),
          event("[DONE]"),
        );
        return { script: [eventStream(odd)], body: odd.join("") };
      })(),
      tokens: { input: 11, output: 7 },
    }),
    streamed("with running usage in every chunk: the last one counts", [], "", {
      ...(() => {
        const running = [1, 2, 7].map((n) =>
          event({
            model,
            choices: [{ index: 0, delta: { content: "a" }, finish_reason: n === 7 ? "stop" : null }],
            usage: { prompt_tokens: 11, completion_tokens: n, total_tokens: 11 + n },
          }),
        );
        const text = [...running, event("[DONE]")];
        return { script: [eventStream(text)], body: text.join("") };
      })(),
      tokens: { input: 11, output: 7 },
    }),
    streamed("without an end mark but with a finish reason", events.slice(0, -1), events.slice(0, -1).join("")),
  ])("$name", async (row) => void (await holds(row)));

  test("cut in two at every byte border", async () => {
    const bytes = Buffer.from(stream);
    await using stage = await scene();
    for (let at = 1; at < bytes.length; at += 1) {
      stage.backend.next(eventStream([bytes.subarray(0, at), bytes.subarray(at)]));
      const got = await stage.post("/chat/completions", asked);
      if (!got.body.equals(bytes)) expect.fail(`cut at ${at}, the client got ${got.text}`);
    }
    const exchanges = await stage.tollgate.settled(bytes.length - 1);
    expect(exchanges).toHaveLength(bytes.length - 1);
    for (const [at, exchange] of exchanges.entries()) {
      expect([at, exchange.tokens, exchange.usageSource]).toMatchObject([at, tokens, "provider"]);
      expect(exchange.outcome).toEqual(ok);
    }
  });
});

describe("a whole answer is passed on byte for byte and metered", () => {
  const jsonRow = (name: string, body: Buffer | string, more: Partial<Row> = {}, options: AnswerOptions = {}): Row => ({
    name,
    script: [json(undefined, { ...options, body })],
    body,
    tokens,
    usageSource: "provider",
    ...more,
  });
  const pretty = JSON.stringify(chatCompletion(model, usage), null, 4);
  const usageFirst = JSON.stringify({ usage: { prompt_tokens: 11, completion_tokens: 7 }, ...chatCompletion(model) });
  const decoy = JSON.stringify(
    chatCompletion(model, usage, '"usage": {"prompt_tokens": 999, "completion_tokens": 999}'),
  );

  test.each<Row>([
    jsonRow("compact", whole),
    jsonRow("pretty-printed", pretty),
    jsonRow("with CRLF white space", pretty.replaceAll("\n", "\r\n")),
    jsonRow("with usage first", usageFirst, { tokens: { input: 11, output: 7 } }),
    jsonRow("with text that looks like usage", decoy),
    jsonRow("byte by byte", whole, { script: [json(undefined, { body: byteByByte(whole) })] }),
    jsonRow("by the connection's end", whole, {}, { framing: "close" }),
    jsonRow("with large headers", whole, {}, { headers: [["X-Large", "y".repeat(12_000)]] }),
    jsonRow("gzip that nobody asked for", gzipSync(whole), {}, { headers: [["Content-Encoding", "gzip"]] }),
    jsonRow("under text/plain", whole, {
      script: [answer({ body: whole, headers: [["Content-Type", "text/plain"]] })],
    }),
    jsonRow("without usage", JSON.stringify(chatCompletion(model)), { tokens: {}, usageSource: "estimated" }),
    jsonRow("more bytes than announced: what was announced", `${whole}GARBAGE`, {
      body: whole,
      script: [json(undefined, { body: `${whole}GARBAGE`, framing: Buffer.byteLength(whole) })],
    }),
  ])("$name", async (row) => void (await holds(row)));

  test("what is not JSON still passes, and its usage is not 0", async () => {
    const body = '{"choices": [';
    const { exchange } = await holds({
      name: "",
      script: [json(undefined, { body })],
      body,
      outcome: { kind: "completed", status: 200 },
    });
    expect(exchange.usageSource).not.toBe("provider");
    expect(exchange.tokens?.output).not.toBe(0);
  });

  test("a slow head is the backend's time", async () => {
    const { exchange } = await holds({ name: "", script: [json(chatCompletion(model, usage), { delay: 60 })] });
    expect(exchange.phases.firstByte).toBeGreaterThan(0.055);
    expect(exchange.attempts[0]?.firstByteSeconds).toBeGreaterThan(0.055);
    expect(exchange.phases.overhead).toBeLessThan(0.05);
  });

  test("a slow body is the stream's time", async () => {
    const { exchange } = await holds({
      name: "",
      script: [json(undefined, { body: [whole.slice(0, 9), 60, whole.slice(9)] })],
      body: whole,
    });
    expect(exchange.phases.stream).toBeGreaterThan(0.055);
  });
});

describe("a backend's error is passed on, and counted as whose fault it is", () => {
  const refused = (status: number) => ({ kind: "refused", reason: "upstream_rejected", status });
  const failed = (reason: string, status: number) => ({ kind: "failed", reason, status });
  const after: Field[] = [["Retry-After", "17"]];
  const row = (status: number, outcome: Row["outcome"] & {}, headers: readonly Field[] = []): Row => ({
    name: `${status}${headers.length > 0 ? " with Retry-After" : ""}`,
    script: [errorAnswer(status, "no luck", { headers })],
    status,
    body: JSON.stringify({ error: { message: "no luck", type: "server_error", param: null, code: null } }),
    outcome,
    fields: headers,
  });
  test.each<Row>([
    ...[400, 404, 409, 413, 415, 418, 422].map((status) => row(status, refused(status))),
    row(429, failed("upstream_limited", 429)),
    row(429, failed("upstream_limited", 429), after),
    row(408, failed("timeout", 408)),
    ...[500, 501, 502, 503, 504, 529].map((status) => row(status, failed("upstream_status", status))),
    row(503, failed("upstream_status", 503), after),
  ])("$name", async (one) => {
    const { exchange } = await holds(one);
    expect(exchange.outcome).toMatchObject({ message: "no luck" });
    expect(exchange.cost).toBeUndefined();
    expect(exchange.tokens).toBeUndefined();
  });

  test.each([401, 403])("%i under our key becomes our own error", async (status) => {
    const { got, exchange } = await holds({
      name: "",
      settings: { backend: { key: "sk-ours-1234567890", passClientKey: false } },
      script: [errorAnswer(status, "Incorrect API key provided: sk-ours-1234567890")],
      status: 502,
      outcome: { kind: "failed", reason: "upstream_auth", status: 502 },
    });
    expect(got.json()).toMatchObject({ error: { code: "backend_auth_failed" } });
    expect(got.text).not.toContain("sk-ours");
    expect(JSON.stringify(redact()(exchange))).not.toContain("sk-ours");
  });

  test("an error event in a 200 stream is a failure; its bytes pass", async () => {
    const bad = [...events.slice(0, 3), event({ error: { message: "overloaded", type: "server_error", code: null } })];
    const { exchange } = await holds({
      name: "",
      request: asked,
      script: [eventStream(bad)],
      body: bad.join(""),
      outcome: { kind: "failed", reason: "upstream_status", status: 200, message: "overloaded" } as Row["outcome"] & {},
    });
    expect(exchange.firstTokenSeconds).toBeDefined();
  });
});

describe("a backend that breaks off", () => {
  const own = (code: string) => ({ error: { code } });
  const dead = (
    name: string,
    script: Answer,
    status: number,
    code: string,
    reason: string,
    settings: SceneOptions = {},
  ) => ({
    code,
    row: { name, script: [script], status, settings, outcome: { kind: "failed", reason, status } },
  });
  const soon = (which: "firstByte" | "idle" | "total" | "connect"): SceneOptions => ({
    backend: { timeouts: { connect: 5, firstByte: 5, idle: 5, total: 0, [which]: 0.15 } },
  });

  test.each([
    dead("resets before its head", hangUp("reset"), 502, "backend_unreachable", "unreachable"),
    dead("closes before its head", hangUp("close"), 502, "backend_unreachable", "unreachable"),
    dead("sends half a head", raw("HTTP/1.1 200 OK\r\nContent-Le"), 502, "backend_unreachable", "unreachable"),
    dead("sends garbage", raw("\x16\x03\x01garbage\r\n\r\n"), 502, "backend_bad_answer", "broken_stream"),
    dead(
      "sends a huge head",
      raw(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(300_000)}\r\n\r\n`),
      502,
      "backend_bad_answer",
      "broken_stream",
    ),
    dead("says nothing", silence, 504, "backend_timeout", "timeout", soon("firstByte")),
    dead("says nothing, and the total runs out", silence, 504, "backend_total_timeout", "timeout", soon("total")),
  ])("$row.name: the client is told in our words", async ({ row, code }) => {
    const { got } = await holds(row);
    expect(got.json()).toMatchObject(own(code));
    expect(got.header("content-type")).toBe("application/json");
  });

  test("refuses the connection: the client is told, and the next request finds it back", async () => {
    await using stage = await scene();
    await stage.backend.refuse();
    const refused = await stage.post("/chat/completions", plain);
    expect([refused.status, refused.json()]).toMatchObject([502, own("backend_unreachable")]);
    await stage.backend.listen();
    stage.backend.next(json(chatCompletion(model, usage)));
    expect((await stage.post("/chat/completions", plain)).status).toBe(200);
    const [first, second] = await stage.tollgate.settled(2);
    expect(first?.outcome).toMatchObject({ kind: "failed", reason: "unreachable", status: 502 });
    expect(second?.outcome).toEqual(ok);
  });

  const half = events.slice(0, 3);
  const cut = (name: string, options: Partial<AnswerOptions>, more: Partial<Row> = {}): Row => ({
    name,
    request: asked,
    script: [eventStream([...half, 30], options)],
    body: half.join(""),
    ended: "fin",
    outcome: broken,
    ...more,
  });
  const timedOut = { kind: "failed", reason: "timeout", status: 200 };
  test.each<Row>([
    cut("closes in mid-stream", { end: "unterminated" }),
    cut("resets in mid-stream", { end: "reset" }),
    cut("closes short of its length", { framing: 9_999, end: "unterminated" }),
    cut("ends in order, without an end mark", {}, { ended: "complete" }),
    cut("ends a close-delimited stream without an end mark", { framing: "close" }, { ended: "complete" }),
    cut("stalls in mid-stream", { end: "stall" }, { outcome: timedOut, settings: soon("idle") }),
    cut("is cut by the total timeout", { end: "stall" }, { outcome: timedOut, settings: soon("total") }),
    cut(
      "closes after its head",
      { end: "unterminated", body: [] },
      {
        script: [eventStream([30], { end: "unterminated" })],
        body: "",
      },
    ),
    cut("resets after its head", {}, { script: [eventStream([30], { end: "reset" })], body: "" }),
    cut(
      "garbles a chunk size",
      {},
      {
        script: [raw(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nXYZ\r\n`)],
        body: "abc",
      },
    ),
    cut(
      "cuts a JSON answer",
      {},
      {
        request: plain,
        script: [json(undefined, { body: [whole.slice(0, 40), 30], framing: whole.length, end: "unterminated" })],
        body: whole.slice(0, 40),
      },
    ),
  ])("$name: the client gets what came, and no clean end unless the backend gave one", async (row) => {
    const { exchange } = await holds(row);
    expect(exchange.usageSource).not.toBe("provider");
    for (const count of Object.values(exchange.tokens ?? {})) expect(count).not.toBe(0);
  });

  test.each([json(chatCompletion(model, usage)), answer({ body: ["a"] })])(
    "drops an idle connection just as the next request arrives: it is sent again on a fresh one",
    async (first) => {
      await using stage = await scene({ script: [first, dropAsTheNextArrives, json(chatCompletion(model, usage))] });
      await stage.post("/chat/completions", plain);
      const got = await stage.post("/chat/completions", plain);
      expect([got.status, got.text]).toEqual([200, whole]);
      expect(stage.backend.received.map(({ reused }) => reused)).toEqual([false, true, false]);
      const [, exchange] = await stage.tollgate.settled(2);
      expect(exchange?.outcome).toEqual(ok);
      expect(exchange?.attempts.map(({ result }) => result)).toEqual(["failed", "completed"]);
    },
  );
});
