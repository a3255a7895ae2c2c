import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type AnswerOptions, answer, byteByByte, eventStream, json } from "./testing/answers.ts";
import { cutAtUser, eachBorder } from "./testing/borders.ts";
import type { Field } from "./testing/http-wire.ts";
import { asked, events, holds, model, ok, type Row, tokens, usage } from "./testing/one-request.ts";
import { chatCompletion, chatEvents, event, shortEvents } from "./testing/payloads.ts";
import { scene } from "./testing/scene.ts";

const stream = events.join("");
const whole = JSON.stringify(chatCompletion(model, usage));

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
    const bytes = Buffer.from(shortEvents({ input: 11, output: 7 }).join(""));
    await using stage = await scene({ fake: { otherwise: cutAtUser(bytes) } });
    await eachBorder(bytes, async (at) => {
      const got = await stage.post("/chat/completions", { ...asked, user: String(at) });
      if (!got.body.equals(bytes)) expect.fail(`cut at ${at}, the client got ${got.text}`);
    });
    const exchanges = await stage.tollgate.settled(bytes.length - 1);
    expect(exchanges).toHaveLength(bytes.length - 1);
    for (const { caller, tokens: counted, usageSource, outcome } of exchanges) {
      expect([caller.user, counted, usageSource]).toMatchObject([caller.user, { input: 11, output: 7 }, "provider"]);
      expect(outcome).toEqual(ok);
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

  test("what is not JSON still passes, as a failure, and its usage is not 0", async () => {
    const body = '{"choices": [';
    const { exchange } = await holds({
      name: "",
      script: [json(undefined, { body })],
      body,
      outcome: { kind: "failed", reason: "broken_stream", status: 200 },
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
