// Every way in which an answer can be framed, and in which bytes can fail to be one, however they are cut.
import { describe, expect, test } from "vitest";
import { type AnswerMessage, answerMessages, bodiless, chunks, heads, withBody } from "../testing/answer-messages.ts";
import { cuts, dice } from "../testing/dice.ts";
import { bounds, brokenBodies, refusedFraming, refusedHeads, refusedMessages } from "../testing/refused-messages.ts";
import { toldAnswer } from "../testing/told-answer.ts";
import { AnswerParser } from "./answer-parser.ts";

const whole = ({ text, isHead }: AnswerMessage) => toldAnswer([Buffer.from(text, "latin1")], isHead);

describe.each([
  ["an answer without a body is one", bodiless],
  ["a body is as long as its framing says (RFC 9112 §6.3)", withBody],
  ["a head is what it says", heads],
  ["chunks are put together", chunks],
  ["a head that is none is refused", refusedHeads],
  ["framing that two readers could read differently is refused", refusedFraming],
  ["a body that breaks its framing is refused", brokenBodies],
  ["nothing is waited for without bound", bounds],
])("%s", (_, messages) => {
  test.each(messages)("$name", (message) => {
    expect(whole(message)).toMatchObject(message.told);
  });
});

describe("wherever it is cut, the same is told", () => {
  test.each([...answerMessages, ...refusedMessages])("$name", (message) => {
    const bytes = Buffer.from(message.text, "latin1");
    const expected = whole(message);
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    expect(toldAnswer(single, message.isHead)).toEqual(expected);
    for (let at = 1; at < bytes.length; at += 1)
      expect(toldAnswer([bytes.subarray(0, at), bytes.subarray(at)], message.isHead)).toEqual(expected);
    const die = dice(bytes.length);
    for (let i = 0; i < 10; i += 1) expect(toldAnswer(cuts(die, bytes), message.isHead)).toEqual(expected);
  });

  test.each(bounds)("$name", (message) => {
    const bytes = Buffer.from(message.text, "latin1");
    const expected = whole(message);
    const die = dice(bytes.length);
    for (let i = 0; i < 20; i += 1) {
      const pieces = cuts(die, bytes);
      if (pieces.length < 5_000) expect(toldAnswer(pieces, message.isHead)).toEqual(expected);
    }
    for (const at of [-3, -2, -1].map((behind) => bytes.length + behind))
      expect(toldAnswer([bytes.subarray(0, at), bytes.subarray(at)], message.isHead)).toEqual(expected);
  });
});

test.each(answerMessages)(
  "where the connection ends early, no end is told but of what has no other: $name",
  (message) => {
    const bytes = Buffer.from(message.text, "latin1");
    const expected = whole(message);
    for (let at = 0; at < bytes.length; at += 1) {
      const told = toldAnswer([bytes.subarray(0, at)], message.isHead);
      if (told.trailers === undefined)
        expect(told.refused).toMatch(/^(SocketError|ResponseContentLengthMismatchError)$/);
      else if (told.framing !== "close") expect({ ...told, isClean: expected.isClean }).toEqual(expected);
      expect(expected.body.startsWith(told.body)).toBe(true);
    }
  },
);

describe("a parser serves one answer after the other", () => {
  function parts() {
    const told: unknown[] = [];
    const parser = new AnswerParser({
      head: ({ status, fields }) => told.push(status, ...fields),
      data: (chunk) => told.push(chunk.toString("latin1")),
      end: (trailers) => told.push([...trailers]),
    });
    return { told, parser };
  }

  test("with other names of the same length", () => {
    const { told, parser } = parts();
    const names = ["abc", "abd", "ABC", "ab", "abc"];
    for (const name of names) {
      parser.begin(false);
      parser.take(Buffer.from(`HTTP/1.1 200 OK\r\n${name}: 1\r\nContent-Length: 1\r\n\r\nx`));
    }
    expect(told).toEqual(names.flatMap((name) => [200, name, "1", "Content-Length", "1", "x", []]));
  });

  test("and counts informational ones anew", () => {
    const { told, parser } = parts();
    const early = "HTTP/1.1 103 X\r\nEarly: 1\r\n\r\n".repeat(60);
    for (let i = 0; i < 3; i += 1) {
      parser.begin(false);
      parser.take(Buffer.from(`${early}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`));
    }
    expect(told.filter((one) => one === 200)).toHaveLength(3);
  });

  test("and what comes when nobody asked is refused", () => {
    const { told, parser } = parts();
    const answer = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect(() => parser.take(answer)).toThrow("unasked");
    parser.begin(false);
    parser.take(answer);
    expect(() => parser.take(answer)).toThrow("unasked");
    expect(told).toEqual([200, "Content-Length", "0", []]);
  });

  test.each([
    ["a length", "Content-Length: 2\r\n\r\nhi"],
    ["a length of 0", "Content-Length: 0\r\n\r\n"],
    ["chunks", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
    ["the connection's end", "\r\nhi"],
  ])("and who stops it within a head is told no more: %s", (_, rest) => {
    const told: unknown[] = [];
    const parser: AnswerParser = new AnswerParser({
      head: ({ status }) => {
        told.push(status);
        parser.stop();
      },
      data: (chunk) => told.push(chunk),
      end: (trailers) => told.push(trailers),
    });
    parser.begin(false);
    parser.take(Buffer.from(`HTTP/1.1 200 OK\r\n${rest}`));
    parser.finish();
    expect(told).toEqual([200]);
  });
});
