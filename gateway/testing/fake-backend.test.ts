import { get, request as httpRequest } from "node:http";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AnswerOptions,
  answer,
  byteByByte,
  dropAsTheNextArrives,
  eventStream,
  hangUp,
  json,
  raw,
  silence,
  withoutStreamOptions,
} from "./answers.ts";
import { CutOff } from "./byte-reader.ts";
import { selfSigned } from "./certificate.ts";
import { type FakeBackend, fakeBackend } from "./fake-backend.ts";
import { chatCompletion, chatEvents } from "./payloads.ts";
import { rawConnection, rawRequest, requestBytes } from "./raw-client.ts";
import { eventParser, openEvents, type ServerEvent } from "./sse-client.ts";

let backend: FakeBackend;
beforeEach(async () => {
  backend = await fakeBackend();
});
afterEach(() => backend.close());

const chat = () => `${backend.url}/chat/completions`;

describe("answers arrive as scripted", () => {
  const events = chatEvents({ model: "m", usage: { input: 1, output: 2 } });
  const whole = events.join("");
  const huge = `data: ${"x".repeat(5_000_000)}\n\n`;
  const row = (name: string, options: AnswerOptions, body: Buffer | string, ended = "complete") => ({
    name,
    options,
    body: Buffer.from(body),
    ended,
  });

  test.each([
    row("by length", { body: "abc" }, "abc"),
    row("chunked", { body: ["a", "b", "c"] }, "abc"),
    row("byte by byte", { body: byteByByte(whole) }, whole),
    row("by the connection's end", { body: "abc", framing: "close" }, "abc"),
    row(
      "with CRLF line ends",
      { body: chatEvents({ model: "m", lineEnd: "\r\n" }) },
      chatEvents({ model: "m", lineEnd: "\r\n" }).join(""),
    ),
    row("an event of 5 MB", { body: [huge] }, huge),
    row("gzip", { body: gzipSync(whole) }, gzipSync(whole)),
    row("brotli", { body: brotliCompressSync(whole) }, brotliCompressSync(whole)),
    row("zstd", { body: zstdCompressSync(whole) }, zstdCompressSync(whole)),
    row("with waits", { body: ["a", 5, "b"] }, "ab"),
    row("short of its length", { body: "abc", framing: 5, end: "unterminated" }, "abc", "fin"),
    row("without a last chunk", { body: ["a", "b"], end: "unterminated" }, "ab", "fin"),
    row("nothing for 204", { status: 204, framing: "none" }, ""),
  ])("$name", async ({ options, body, ended }) => {
    backend.next(answer(options));
    const got = await rawRequest(chat());
    expect(got.body.equals(body)).toBe(true);
    expect(got.ended).toBe(ended);
    expect(await backend.received[0]?.ended).toBe(ended === "complete" ? "answered" : "cut");
  });

  test("status, header and their order and case cross as written, duplicates too", async () => {
    backend.next(
      answer({
        status: 418,
        reason: "Teapot",
        headers: [
          ["X-A", "1"],
          ["x-a", "2"],
          ["Set-Cookie", "c=1"],
        ],
      }),
    );
    const got = await rawRequest(chat());
    expect([got.status, got.statusText]).toEqual([418, "Teapot"]);
    expect(got.fields).toEqual([
      ["X-A", "1"],
      ["x-a", "2"],
      ["Set-Cookie", "c=1"],
      ["Content-Length", "0"],
    ]);
    expect(got.header("x-A")).toBe("1, 2");
  });

  test("an informational answer comes before, trailers come after", async () => {
    const before = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    backend.next(answer({ before, body: ["a"], trailers: [["X-Sum", "9"]] }));
    const got = await rawRequest(chat());
    expect(got.informational.map((head) => [head.status, head.header("link")])).toEqual([[103, "</a>"]]);
    expect(got.trailers).toEqual([["X-Sum", "9"]]);
  });

  test("node's own client reads the same bytes", async () => {
    backend.next(eventStream(events));
    const text = await new Promise<string>((resolve, reject) => {
      get(chat(), async (response) => resolve((await response.setEncoding("utf8").toArray()).join(""))).on(
        "error",
        reject,
      );
    });
    expect(text).toBe(whole);
  });

  test("a reset after the first bytes reaches the client as a reset", async () => {
    const { promise: seen, resolve } = Promise.withResolvers<void>();
    backend.next(answer({ body: ["ab", seen], end: "reset" }));
    const connection = await rawConnection(chat());
    await connection.send(requestBytes(chat(), {}));
    await connection.head();
    expect(String(await connection.piece())).toBe("ab");
    resolve();
    await expect(connection.piece()).rejects.toMatchObject({ how: "reset" });
    expect(backend.received[0]?.end).toBe("cut");
  });

  test.each(["reset", "close"] as const)("a %s in place of an answer gives no head", async (how) => {
    backend.next(hangUp(how));
    await expect(rawRequest(chat())).rejects.toThrow(CutOff);
  });

  test("garbage is not HTTP", async () => {
    backend.next(raw("\0\x01garbage\r\n\r\n"));
    await expect(rawRequest(chat())).rejects.toThrow("not a status line");
  });

  test("an older backend rejects stream_options only", async () => {
    backend.otherwise(withoutStreamOptions(json({ ok: true })));
    const ask = (body: object) => rawRequest(chat(), { body: JSON.stringify(body) });
    expect((await ask({ stream_options: {} })).status).toBe(400);
    expect((await ask({})).status).toBe(200);
  });
});

describe("connections", () => {
  test("are kept alive, and dropped just as the next request arrives when the script says so", async () => {
    backend.next(json({}), dropAsTheNextArrives);
    const connection = await rawConnection(chat());
    await connection.send(requestBytes(chat(), { body: "1" }));
    expect((await connection.answer()).status).toBe(200);
    await connection.send(requestBytes(chat(), { body: "2" }));
    await expect(connection.answer()).rejects.toMatchObject({ how: "reset" });
    expect(backend.received.map(({ reused, connection: on }) => [on, reused])).toEqual([
      [0, false],
      [0, true],
    ]);
  });

  test("are refused on the same port until it listens again", async () => {
    await backend.refuse();
    await expect(rawRequest(chat())).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await backend.listen();
    backend.next(json({}));
    expect((await rawRequest(chat())).status).toBe(200);
  });

  test("a client that leaves is noted with the time and the bytes that it got", async () => {
    backend.next(answer({ body: ["abc"], end: "stall" }));
    const connection = await rawConnection(chat());
    await connection.send(requestBytes(chat(), {}));
    await connection.head();
    await connection.piece();
    expect(backend.received[0]?.end).toBeUndefined();
    connection.leave();
    const request = await backend.request(0);
    expect(await request.ended).toBe("left");
    expect(request.bytesSent).toBe("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".length);
    expect(request.endedAt).toBeGreaterThan(request.arrivedAt);
  });

  test("a client that leaves before the first byte is noted", async () => {
    backend.next(silence);
    const connection = await rawConnection(chat());
    await connection.send(requestBytes(chat(), {}));
    const request = await backend.request(0);
    connection.leave();
    expect(await request.ended).toBe("left");
  });

  test("a client that leaves in the middle of its body is noted, without an answer", async () => {
    backend.next(json({}));
    const connection = await rawConnection(chat());
    await connection.send(requestBytes(chat(), { headers: [["Content-Length", "9"]], body: "abc" }));
    const request = await backend.request(0);
    await expect.poll(() => request.bodyBytes).toBe(3);
    connection.leave();
    await expect.poll(() => request.end).toBe("left");
    expect(request.bodyComplete).toBe(false);
  });

  test("the request is recorded exactly, chunked bodies without their chunks", async () => {
    backend.next(json({}));
    await new Promise<void>((resolve, reject) => {
      const sent = httpRequest(`${chat()}?a=%20b`, { method: "POST", headers: { "X-Odd": "é" } }, (response) => {
        response.resume().on("end", resolve);
      });
      sent.on("error", reject);
      sent.write('{"a"');
      sent.end(":1}");
    });
    const request = await backend.request(0);
    expect([request.method, request.target, request.header("x-odd")]).toEqual([
      "POST",
      "/v1/chat/completions?a=%20b",
      "é",
    ]);
    expect(request.json()).toEqual({ a: 1 });
    expect(request.bodyHash()).toHaveLength(64);
  });
});

test("events are read with every line end, cut anywhere", () => {
  const text = ": hi\r\ndata: a\r\ndata: b\r\n\r\nevent: e\rdata: ü\r\rdata:c\n\ndata: lost";
  const expected: ServerEvent[] = [
    { type: "message", data: "a\nb" },
    { type: "e", data: "ü" },
    { type: "message", data: "c" },
  ];
  const bytes = Buffer.from(text).toString("latin1");
  for (let at = 0; at <= bytes.length; at += 1) {
    const events: ServerEvent[] = [];
    const parser = eventParser((event) => events.push(event));
    parser.write(bytes.slice(0, at));
    parser.write(bytes.slice(at));
    expect(events).toEqual(expected);
    expect(parser.comments).toBe(1);
  }
});

test("an event stream is counted as it comes", async () => {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const [head = "", ...tail] = chatEvents({ model: "m" });
  backend.next(eventStream([head, first, ": ping\n\n", ...tail]));
  const source = await openEvents(chat(), {});
  expect((await source.next())?.data).toContain('"role":"assistant"');
  resolve();
  expect(await source.rest()).toBe("complete");
  expect(source.events.at(-1)?.data).toBe("[DONE]");
  expect([source.events.length, source.comments]).toEqual([5, 1]);
});

test("a backend may speak TLS", async ({ skip }) => {
  const certificate = await selfSigned();
  if (certificate === undefined) return skip("there is no openssl command to make a certificate with");
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, certificate.cert]);
  const secure = await fakeBackend({ tls: certificate, otherwise: json(chatCompletion("m")) });
  try {
    expect(await (await fetch(`${secure.url}/chat/completions`, { method: "POST" })).json()).toMatchObject({
      model: "m",
    });
  } finally {
    setDefaultCACertificates(trusted);
    await secure.close().catch(() => undefined);
  }
});
