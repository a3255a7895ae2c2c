import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { answer, byteByByte, errorAnswer, eventStream, type Step, withoutStreamOptions } from "./testing/answers.ts";
import { cutAtUser, eachBorder } from "./testing/borders.ts";
import { chatEvents, chatRequest, event, shortEvents, withoutUsageChunk } from "./testing/payloads.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";
import { openEvents } from "./testing/sse-client.ts";

const model = "gpt-4o-mini";
const usage = { input: 11, output: 7 };
const events = chatEvents({ model, usage });
const shown = withoutUsageChunk(events).join("");
const plain = chatRequest(model, { stream: true });

describe("nothing is held back", () => {
  test("the head reaches the client before the first event is sent, and each event before the next", async () => {
    const gates = [...events, ""].map(() => Promise.withResolvers<void>());
    const steps: Step[] = events.flatMap((text, i) => [gates[i]?.promise ?? 0, text]);
    await using stage = await scene({ script: [eventStream(steps)] });
    const source = await openEvents(stage.at("/chat/completions"), {
      ...plain,
      stream_options: { include_usage: true },
    });
    expect(source.head.header("content-type")).toBe("text/event-stream");
    for (const [i, gate] of gates.entries()) {
      gate.resolve();
      expect((await source.next())?.data).toBe(events[i]?.slice(6, -2));
    }
    expect(await source.rest()).toBe("complete");
    expect(source.bytes.toString()).toBe(events.join(""));
  });

  test("the same holds while the usage chunk is looked for to be hidden", async () => {
    const sent = withoutUsageChunk(events);
    const gates = sent.map(() => Promise.withResolvers<void>());
    const steps: Step[] = sent.flatMap((text, i) => [gates[i]?.promise ?? 0, text]);
    await using stage = await scene({ script: [eventStream(steps)] });
    const source = await openEvents(stage.at("/chat/completions"), plain);
    for (const [i, gate] of gates.entries()) {
      gate.resolve();
      expect((await source.next())?.data).toBe(sent[i]?.slice(6, -2));
    }
    expect(await source.rest()).toBe("complete");
  });

  test("the first token is the first content, not the role chunk", async () => {
    const [role = "", ...rest] = events;
    await using stage = await scene({ script: [eventStream([role, 60, ...rest.slice(0, 1), 60, ...rest.slice(1)])] });
    await stage.post("/chat/completions", plain);
    const { firstTokenSeconds = 0, totalSeconds, phases } = await stage.onlyExchange();
    expect(firstTokenSeconds - phases.firstByte).toBeGreaterThan(0.055);
    expect(totalSeconds - firstTokenSeconds).toBeGreaterThan(0.055);
  });

  test("an exchange lasts until the last byte, not until its head", async () => {
    await using stage = await scene({ script: [eventStream([events[0] ?? "", 80, ...events.slice(1)])] });
    await stage.post("/chat/completions", plain);
    const { totalSeconds, phases, streamed } = await stage.onlyExchange();
    expect([streamed, totalSeconds > 0.075, phases.stream > 0.075]).toEqual([true, true, true]);
  });
});

describe("usage is asked for where the client did not, and what comes of it is hidden", () => {
  test.each([
    ["no stream_options", {}, { include_usage: true }],
    [
      "stream_options without usage",
      { stream_options: { include_obfuscation: false } },
      { include_obfuscation: false, include_usage: true },
    ],
    ["usage declined", { stream_options: { include_usage: false } }, { include_usage: true }],
    ["stream_options null", { stream_options: null }, { include_usage: true }],
  ])("%s", async (_, more, expected) => {
    const body = { ...plain, ...more, note: "ünï\u2028", big: 1e21, nested: { stream_options: 1 } };
    await using stage = await scene({ script: [eventStream(events)] });
    const got = await stage.post("/chat/completions", body);
    expect(stage.backend.received[0]?.json()).toEqual({ ...body, stream_options: expected });
    expect(got.text).toBe(shown);
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ tokens: { input: 11, output: 7 }, usageSource: "provider" });
    expect(exchange.bytes.response).toBe(got.body.length);
  });

  test("numbers and spelling of the request's body stay as the client wrote them", async () => {
    const text = `{ "model":"${model}",  "seed":12345678901234567890, "stream": true,"temperature":1.0,\n"messages":[{"role":"user","content":"\\u00e9 \\"stream\\":false"}] }`;
    await using stage = await scene({ script: [eventStream(events)] });
    expect((await stage.post("/chat/completions", text)).text).toBe(shown);
    const sent = stage.backend.received[0]?.body.toString() ?? "";
    for (const part of ["12345678901234567890", '"temperature":1.0', '\\u00e9 \\"stream\\":false'])
      expect(sent).toContain(part);
  });

  test("a client that asked gets the chunk, and its body goes on byte for byte", async () => {
    const text = JSON.stringify({ ...plain, stream_options: { include_usage: true } }, null, 3);
    await using stage = await scene({ script: [eventStream(events)] });
    expect((await stage.post("/chat/completions", text)).text).toBe(events.join(""));
    expect(stage.backend.received[0]?.body.toString()).toBe(text);
  });

  test("hidden whatever the byte border at which it is cut", async () => {
    const short = shortEvents({ input: 11, output: 7 });
    const bytes = Buffer.from(short.join(""));
    const expected = withoutUsageChunk(short).join("");
    await using stage = await scene({ fake: { otherwise: cutAtUser(bytes) } });
    await eachBorder(bytes, async (at) => {
      const got = await stage.post("/chat/completions", { ...plain, user: String(at) });
      if (got.text !== expected) expect.fail(`cut at ${at}, the client got ${got.text}`);
    });
    for (const { caller, tokens } of await stage.tollgate.settled(bytes.length - 1)) {
      expect([caller.user, tokens]).toMatchObject([caller.user, { input: 11, output: 7 }]);
    }
  });

  const pretty = events.map((text) =>
    text.includes('"choices":[]')
      ? event(JSON.stringify(JSON.parse(text.slice(6)), null, 1).replaceAll("\n", "\ndata: "))
      : text,
  );
  const inLines = (lineEnd: "\r\n" | "\r") => chatEvents({ model, usage, lineEnd });
  const quoted = [
    event({ model, choices: [{ index: 0, delta: { content: '"usage":{"choices":[]}' }, finish_reason: null }] }),
    ...events,
  ];
  test.each([
    ["byte by byte", byteByByte(events.join("")), shown, []],
    ["with CRLF", inLines("\r\n"), withoutUsageChunk(inLines("\r\n")).join(""), []],
    ["with CR", inLines("\r"), withoutUsageChunk(inLines("\r")).join(""), []],
    ["pretty-printed over several data lines", pretty, shown, []],
    ["gzip", [gzipSync(events.join(""))], shown, [["Content-Encoding", "gzip"]]],
    ["brotli", [brotliCompressSync(events.join(""))], shown, [["Content-Encoding", "br"]]],
    ["text that only looks like it is shown", quoted, quoted[0] + shown, []],
    [
      "comments around it stay",
      [...events.slice(0, -2), ": ping\n\n", ...events.slice(-2)],
      `${withoutUsageChunk(events).slice(0, -1).join("")}: ping\n\n${events.at(-1)}`,
      [],
    ],
    [
      "usage beside choices is shown",
      [
        event({
          choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
          usage: { prompt_tokens: 11, completion_tokens: 7 },
        }),
        event("[DONE]"),
      ],
      undefined,
      [],
    ],
  ] as const)("%s", async (_, steps, expected, headers) => {
    await using stage = await scene({ script: [eventStream(steps, { headers })] });
    const got = await stage.post("/chat/completions", plain);
    expect(got.text).toBe(expected ?? steps.join(""));
    expect([got.header("content-encoding"), got.ended]).toEqual([undefined, "complete"]);
    expect((await stage.onlyExchange()).tokens).toMatchObject({ input: 11, output: 7 });
  });
});

describe("a backend that does not know stream_options", () => {
  test("is asked again without it, at once, and never after", async () => {
    const older = withoutStreamOptions(eventStream(chatEvents({ model })));
    await using stage = await scene({ fake: { otherwise: older } });
    const expected = chatEvents({ model }).join("");
    for (let i = 0; i < 3; i += 1) expect((await stage.post("/chat/completions", plain)).text).toBe(expected);
    expect(stage.backend.received.map(({ body }) => body.includes("stream_options"))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const exchanges = await stage.tollgate.settled(3);
    expect(exchanges.map(({ attempts }) => attempts.length)).toEqual([2, 1, 1]);
    for (const { outcome, usageSource } of exchanges)
      expect([outcome.kind, usageSource]).toEqual(["completed", "estimated"]);
  });

  test("a client that asked for it itself is told what the backend said", async () => {
    const older = withoutStreamOptions(eventStream(chatEvents({ model })));
    await using stage = await scene({ fake: { otherwise: older } });
    const got = await stage.post("/chat/completions", { ...plain, stream_options: { include_usage: true } });
    expect([got.status, stage.backend.received.length]).toEqual([400, 1]);
  });

  test.each([
    ["a short", "temperature is too hot"],
    ["a 200 KB", "x".repeat(200_000)],
  ])("%s 400 about something else goes to the client, and usage is asked for again", async (_, message) => {
    const [bad, good] = [errorAnswer(400, message), eventStream(events)];
    await using stage = await scene({ script: [bad, good] });
    const got = await stage.post("/chat/completions", plain);
    expect(got.json()).toMatchObject({ error: { message } });
    await stage.post("/chat/completions", plain);
    expect(stage.backend.received.map(({ body }) => body.includes("stream_options"))).toEqual([true, true]);
  });
});

test("a client that takes its time is not a backend that stalls", async () => {
  const block = Buffer.alloc(256 * 1024, "x");
  const timeouts = { connect: 5, firstByte: 5, idle: 0.2, total: 0 };
  await using stage = await scene({
    backend: { timeouts },
    script: [answer({ body: Array.from({ length: 160 }, () => block) })],
  });
  const url = stage.at("/files/file-1/content");
  const connection = await rawConnection(url);
  await connection.send(requestBytes(url, { method: "GET" }));
  await connection.head();
  // Time passing is the point: several times the idle timeout, and the coarse clock of the timers besides.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  let got = 0;
  for (let piece = await connection.piece(); piece !== undefined; piece = await connection.piece()) got += piece.length;
  expect(got).toBe(160 * block.length);
  connection.leave();
  expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "completed", status: 200 });
});
