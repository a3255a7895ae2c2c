import { expect, test } from "vitest";
import { AnswerEnd } from "./answer-end.ts";

const json = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const chunked = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n6\r\n10\n0\n\n\r\n3\r\nabc\r\n0\r\n\r\n";

/** The status and the position at which the end was seen, reading `text` in pieces of `size` bytes. */
function ended(end: AnswerEnd, text: string, size: number): { status: number; at: number } | undefined {
  for (let at = 0; at < text.length; at += size) {
    const piece = Buffer.from(text.slice(at, at + size), "latin1");
    const status = end.sees(piece, piece.length);
    if (status !== undefined) return { status, at: at + piece.length };
  }
  return undefined;
}

test.each([
  ["with a length", json, 200],
  ["in chunks", chunked, 503],
])("an answer %s ends with its last byte, however it is cut", (_, text, status) => {
  for (let size = 1; size <= text.length; size++) {
    const end = new AnswerEnd();
    expect(ended(end, text, size)).toEqual({ status, at: text.length });
  }
});

test("one connection carries answer after answer, none of which ends too early", () => {
  for (let size = 1; size < 60; size++) {
    const end = new AnswerEnd();
    for (const [text, status] of [
      [chunked, 503],
      [chunked, 503],
      [json, 200],
      [chunked, 503],
    ] as const) {
      expect(ended(end, text, size)).toEqual({ status, at: text.length });
    }
  }
});

test("only as many bytes as were read are looked at", () => {
  const room = Buffer.from(chunked, "latin1");
  expect(new AnswerEnd().sees(room, chunked.length - 2)).toBeUndefined();
});
