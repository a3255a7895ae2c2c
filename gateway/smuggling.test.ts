import { describe, expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import { answersTo, expectClean, get } from "./testing/doors.ts";
import { scene } from "./testing/scene.ts";

describe("framing that two readers could read differently is refused, and nothing behind it is served", () => {
  const smuggled = "GET /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const post = (fields: string, body = smuggled) =>
    `POST /v1/files HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${body}`;
  test.each([
    [
      "content-length with transfer-encoding",
      post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    [
      "transfer-encoding with content-length",
      post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", `0\r\n\r\n${smuggled}`),
    ],
    ["two lengths that differ", post("Content-Length: 0\r\nContent-Length: 5\r\n")],
    ["two lengths that agree", post("Content-Length: 0\r\nContent-Length: 0\r\n")],
    ["a list of lengths", post("Content-Length: 0, 5\r\n")],
    ["a signed length", post("Content-Length: +5\r\n")],
    ["a negative length", post("Content-Length: -5\r\n")],
    ["a hexadecimal length", post("Content-Length: 0x5\r\n")],
    ["a length with a space", post("Content-Length: 1 2\r\n")],
    ["an endless length", post("Content-Length: 99999999999999999999999\r\n")],
    ["an unknown coding", post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunked not last", post("Transfer-Encoding: chunked, identity\r\n", `0\r\n\r\n${smuggled}`)],
    ["a tab before chunked", post("Transfer-Encoding:\x0bchunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a space before the colon", post("Content-Length : 5\r\n")],
    ["a folded field", post("X-A: 1\r\n 2\r\nContent-Length: 0\r\n")],
    ["a folded framing", post("Transfer-Encoding:\r\n chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a bare LF in the head", post("X-A: 1\nContent-Length: 0\r\n")],
    ["bare LFs throughout", smuggled.replaceAll("\r", "")],
    ["a bare CR in a field", post("X-A: 1\rX-B: 2\r\nContent-Length: 0\r\n")],
    ["a NUL in a field", post("X-A: a\0b\r\nContent-Length: 0\r\n")],
    ["a field without a name", post(": x\r\nContent-Length: 0\r\n")],
    ["no Host", "GET /v1/files HTTP/1.1\r\n\r\n"],
    ["two Hosts", "GET /v1/files HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"],
    ["an endless chunk size", post("Transfer-Encoding: chunked\r\n", `fffffffffffffffff\r\n${smuggled}`)],
    ["a chunk size of no number", post("Transfer-Encoding: chunked\r\n", `zz\r\n${smuggled}`)],
    ["a chunk size that ends in a bare LF", post("Transfer-Encoding: chunked\r\n", `0\n\n${smuggled}`)],
    ["a chunk that is longer than it says", post("Transfer-Encoding: chunked\r\n", `1\r\nabc\r\n0\r\n\r\n${smuggled}`)],
    ["an unknown method", "FROB /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["a method in small letters", "get /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/0.9", "GET /v1/files\r\n\r\n"],
    ["an unknown version", "GET /v1/files HTTP/3.7\r\nHost: localhost\r\n\r\n"],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("%s", async (_, bytes) => {
    await using stage = await scene({ fake: { otherwise: json({ served: true }) } });
    const answers = await answersTo(stage, bytes, 2);
    expect(answers).toHaveLength(1);
    expectClean(answers[0]);
    for (const request of stage.backend.received)
      expect([request.method, request.bodyComplete]).toEqual(["POST", false]);
    // The gateway is none the worse for it.
    const [well] = await answersTo(stage, smuggled);
    expect(well?.status).toBe(200);
  });

  test.each([
    ["of 100 KB in one field", `X-A: ${"y".repeat(100_000)}\r\n`],
    ["of 100 KB in many", "X-A: y\r\n".repeat(12_000)],
    ["of 100 KB in the target", ""],
  ])("a head %s is refused as too large", async (_, fields) => {
    await using stage = await scene();
    const target = fields === "" ? `/v1/files?${"q".repeat(100_000)}` : "/v1/files";
    const [answer] = await answersTo(stage, get(target, fields)("localhost"));
    expectClean(answer, 431);
    expect(stage.backend.received).toEqual([]);
  });
});
