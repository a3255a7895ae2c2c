// What an answer parser tells of bytes, in a form that does not depend on how they were cut.
import { AnswerParser } from "../http1/answer-parser.ts";
import type { AnswerHead } from "../http1/head-parser.ts";

export interface ToldAnswer {
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly fields: readonly string[] | undefined;
  readonly framing: AnswerHead["framing"]["body"] | undefined;
  readonly persists: boolean | undefined;
  /** All of the body that was told, Latin-1. */
  readonly body: string;
  /** `undefined`: no end was told. */
  readonly trailers: readonly string[] | undefined;
  /** Nothing came behind it, in the same read or in a later one. */
  readonly isClean: boolean;
  /** The name of the error that the bytes, or the end of the connection behind them, were refused with. */
  readonly refused: string | undefined;
}

/** Reads these pieces, then the connection's end. Throws where an answer's parts come in an order that cannot be. */
export function toldAnswer(pieces: readonly Buffer[], isHead = false): ToldAnswer {
  let head: AnswerHead | undefined;
  let trailers: readonly string[] | undefined;
  let isClean = false;
  const body: string[] = [];
  const parser = new AnswerParser({
    head(told) {
      if (head !== undefined) throw new Error("a second head");
      head = told;
    },
    data(chunk) {
      if (head === undefined || trailers !== undefined) throw new Error("data outside the body");
      if (chunk.length === 0) throw new Error("data without an octet");
      body.push(chunk.toString("latin1"));
    },
    end(told, clean) {
      if (head === undefined || trailers !== undefined) throw new Error("an end of nothing");
      trailers = told;
      isClean = clean;
    },
  });
  parser.begin(isHead);
  let refused: string | undefined;
  try {
    for (const piece of pieces) parser.take(piece);
    parser.finish();
  } catch (error) {
    if (trailers === undefined) refused = nameOf(error);
    // What comes behind an answer is refused, if its own end did not show it.
    else if (nameOf(error) === "SocketError") isClean = false;
    else throw error;
  }
  return {
    status: head?.status,
    reason: head?.reason,
    fields: head?.fields,
    framing: head?.framing.body,
    persists: head?.framing.persists,
    body: body.join(""),
    trailers,
    isClean,
    refused,
  };
}

const expected = new Set([
  "HTTPParserError",
  "SocketError",
  "HeadersOverflowError",
  "ResponseContentLengthMismatchError",
]);

/** Any other error is a fault of the parser's. */
function nameOf(error: unknown): string {
  if (error instanceof Error && expected.has(error.name)) return error.name;
  throw error;
}
