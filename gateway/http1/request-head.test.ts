// What a request looks like on the wire, and what is never written there.
import { Readable } from "node:stream";
import { errors } from "undici";
import { describe, expect, test } from "vitest";
import { type Http1Request, requestHead } from "./request-head.ts";

const head = (request: Partial<Http1Request> = {}) =>
  requestHead({ method: "GET", path: "/", headers: [], body: null, ...request }, "backend:8080");

const lines = (request?: Partial<Http1Request>) => head(request).text.split("\r\n");

describe("what is written", () => {
  test("the first line, the host, the connection, the fields in order, and an empty line", () => {
    expect(head({ path: "/v1/models?a=b#c", headers: ["A", "1", "b", " 2\t", "a", ""] })).toEqual({
      text: "GET /v1/models?a=b#c HTTP/1.1\r\nhost: backend:8080\r\nconnection: keep-alive\r\nA: 1\r\nb:  2\t\r\na: \r\n\r\n",
      length: 0,
      persists: true,
    });
  });

  test("Latin-1, an octet for a character", () => {
    const { text } = head({ path: "/\xe9", headers: ["a", "\x80\xff"] });
    expect(Buffer.from(text, "latin1").includes(Buffer.from([0x61, 0x3a, 0x20, 0x80, 0xff, 0x0d, 0x0a]))).toBe(true);
    expect(text.startsWith("GET /\xe9 HTTP/1.1\r\n")).toBe(true);
  });

  test.each(["host", "Host"])("the %s that was given, and no other", (name) => {
    const text = lines({ headers: [name, "other"] });
    expect(text.filter((line) => /^host:/i.test(line))).toEqual([`${name}: other`]);
  });

  test.each(["POST", "PUT", "PATCH"])("content-length: 0 for %s without a body (RFC 9110 §8.6)", (method) => {
    for (const body of [null, Buffer.alloc(0)]) {
      expect(lines({ method, body })).toContain("content-length: 0");
      expect(head({ method, body }).length).toBe(0);
    }
  });

  test.each(["GET", "HEAD", "DELETE", "OPTIONS"])("no word of a body that %s does not have", (method) => {
    for (const body of [null, Buffer.alloc(0)])
      expect(head({ method, body }).text).not.toMatch(/content-length|transfer-encoding/i);
  });

  test.each(["GET", "POST"])("the length of a body that is known, with %s", (method) => {
    const sent = { method, body: Buffer.from("héllo") };
    expect(lines(sent)).toContain("content-length: 6");
    expect(head(sent).length).toBe(6);
  });

  test("a length that was given and is true, once", () => {
    const sent = { method: "POST", headers: ["Content-Length", "5"], body: Buffer.from("hello") };
    expect(lines(sent).filter((line) => /length/i.test(line))).toEqual(["Content-Length: 5"]);
    expect(head(sent).length).toBe(5);
  });

  test("chunks, where a stream's length is not known", () => {
    const sent = { method: "POST", body: Readable.from([]) };
    expect(lines(sent)).toContain("transfer-encoding: chunked");
    expect(head(sent).text).not.toMatch(/content-length/i);
    expect(head(sent).length).toBeUndefined();
  });

  test("the length of a stream, where it is known", () => {
    const sent = { method: "POST", headers: ["content-length", "5"], body: Readable.from([]) };
    expect(lines(sent)).toContain("content-length: 5");
    expect(head(sent).text).not.toMatch(/transfer-encoding/i);
    expect(head(sent).length).toBe(5);
  });
});

/** Characters that end a line or a word, and those that would if they were cut down to an octet. */
const breaking = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  "\x7f",
  "\x1b",
  "\u010a",
  "\u010d",
  "\u0100",
  "\u0120",
  "\uff3a",
  "\ud83d\ude00",
];
const shown = breaking.map(
  (char) => [JSON.stringify(char).replace(/[^ -~]/g, (c) => `U+${c.charCodeAt(0).toString(16)}`), char] as const,
);

describe.each(shown)("what would be read as something else is refused: %s", (_, char) => {
  test.each<[string, Partial<Http1Request>]>([
    ["in a method", { method: `GE${char}T` }],
    ["before a method", { method: `${char}GET` }],
    ["in a path", { path: `/a${char}b` }],
    ["behind a path", { path: `/a${char}` }],
    ["in a name", { headers: [`a${char}b`, "1"] }],
    ["behind a name", { headers: [`a${char}`, "1"] }],
    ["in a value", { headers: ["a", `1${char}2`] }],
    ["behind a value", { headers: ["b", "2", "a", `1${char}`] }],
    ["in a host", { headers: ["host", `a${char}b`] }],
  ])("%s", (_, request) => {
    expect(() => head(request)).toThrow(errors.InvalidArgumentError);
  });
});

describe("what is no request is refused", () => {
  test.each<[string, Partial<Http1Request>]>([
    ["no method", { method: "" }],
    ["a method with a space", { method: "GET /" }],
    ["a method with Latin-1", { method: "G\xe9T" }],
    ["no path", { path: "" }],
    ["a path with a space", { path: "/ HTTP/1.1" }],
    ["a path with a tab", { path: "/\t" }],
    ["no name", { headers: ["", "1"] }],
    ["a name with a space", { headers: ["a ", "1"] }],
    ["a name with a colon", { headers: ["a:b", "1"] }],
    ["a name with Latin-1", { headers: ["\xe9", "1"] }],
    ["two hosts", { headers: ["host", "a", "Host", "b"] }],
    ["two lengths", { method: "POST", headers: ["content-length", "1", "Content-Length", "1"], body: Buffer.of(1) }],
    ["a coding, with a body", { method: "POST", headers: ["Transfer-Encoding", "chunked"], body: Buffer.of(1) }],
    ["a coding, with a stream", { method: "POST", headers: ["transfer-encoding", "gzip"], body: Readable.from([]) }],
  ])("%s", (_, request) => {
    expect(() => head(request)).toThrow(errors.InvalidArgumentError);
  });

  test.each(["", " 5", "5 ", "+5", "-5", "0x5", "5,5", "5.0", "1000000000000000", "\xb5"])(
    "a length of %j, whether or not the body's is known",
    (length) => {
      for (const body of [Buffer.from("hello"), Readable.from([])])
        expect(() => head({ method: "POST", headers: ["content-length", length], body })).toThrow(
          errors.InvalidArgumentError,
        );
    },
  );

  test.each([
    ["more", "6", Buffer.from("hello")],
    ["less", "4", Buffer.from("hello")],
    ["characters in place of octets", "5", Buffer.from("héllo")],
    ["a nought too many", "05", Buffer.from("hello")],
    ["a body where there is none", "5", null],
  ])("a length that is not the body's: %s", (_, length, body) => {
    expect(() => head({ method: "POST", headers: ["Content-Length", length], body })).toThrow(
      errors.RequestContentLengthMismatchError,
    );
  });
});
