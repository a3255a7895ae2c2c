// Answers on the wire that are one, and what is in them.
import type { ToldAnswer } from "./told-answer.ts";

export interface AnswerMessage {
  readonly name: string;
  /** Latin-1. The connection ends behind it. */
  readonly text: string;
  /** It answers a HEAD request. */
  readonly isHead?: boolean;
  readonly told: Partial<ToldAnswer>;
}

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;

const message = (name: string, text: string, told: Partial<ToldAnswer>, isHead = false): AnswerMessage => ({
  name,
  text,
  isHead,
  told: {
    status: 200,
    reason: "OK",
    framing: "length",
    persists: true,
    body: "",
    trailers: [],
    isClean: true,
    refused: undefined,
    ...told,
  },
});

const empty = { framing: "none" } as const;
const inChunks = { framing: "chunked" } as const;
const toTheEnd = { framing: "close", persists: false } as const;
const dirty = { isClean: false } as const;

/** In the order of RFC 9112 §6.3, first those without a body. */
export const bodiless: readonly AnswerMessage[] = [
  message("HEAD, with a length", `${ok}Content-Length: 5\r\n\r\n`, empty, true),
  message("HEAD, with chunks", chunked, empty, true),
  message("HEAD, with nothing said", `${ok}\r\n`, empty, true),
  message("HEAD, with a body all the same", `${ok}Content-Length: 5\r\n\r\nhello`, { ...empty, ...dirty }, true),
  message("HEAD, and the connection closes", `${ok}Connection: close\r\n\r\n`, { ...empty, persists: false }, true),
  message("204", "HTTP/1.1 204 No Content\r\n\r\n", { ...empty, status: 204, reason: "No Content" }),
  message("204 with a length of 0", "HTTP/1.1 204 Gone\r\nContent-Length: 0\r\n\r\n", {
    ...empty,
    status: 204,
    reason: "Gone",
  }),
  message("204 that announces a body", "HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\n", {
    ...empty,
    status: 204,
    persists: false,
  }),
  message("204 that brings a body", "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {
    ...empty,
    ...dirty,
    status: 204,
    persists: false,
  }),
  message("304 with the length of what it did not send", "HTTP/1.1 304 OK\r\nContent-Length: 5\r\n\r\n", {
    ...empty,
    status: 304,
    persists: false,
  }),
  message("a length of 0", `${ok}Content-Length: 0\r\n\r\n`, empty),
  message("a length of many noughts", `${ok}Content-Length: 000000000000005\r\n\r\nhello`, { body: "hello" }),
  message("a length of 0, with bytes behind", `${ok}Content-Length: 0\r\n\r\nx`, { ...empty, ...dirty }),
];

export const withBody: readonly AnswerMessage[] = [
  message("a length", `${ok}Content-Length: 5\r\n\r\nhello`, { body: "hello", fields: ["Content-Length", "5"] }),
  message("a length, with bytes behind", `${ok}Content-Length: 5\r\n\r\nhello!`, { ...dirty, body: "hello" }),
  message("an answer behind the answer", `${ok}Content-Length: 1\r\n\r\nx${ok}Content-Length: 1\r\n\r\ny`, {
    ...dirty,
    body: "x",
  }),
  message("a length, and the connection closes", `${ok}Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi`, {
    body: "hi",
    persists: false,
  }),
  message(
    "close in the second of two fields",
    `${ok}Connection: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi`,
    {
      body: "hi",
      persists: false,
    },
  ),
  message(
    "close in the first of two fields",
    `${ok}Connection: close\r\nConnection: x\r\nContent-Length: 2\r\n\r\nhi`,
    {
      body: "hi",
      persists: false,
    },
  ),
  message("an option that only begins like close", `${ok}Connection: closed\r\nContent-Length: 2\r\n\r\nhi`, {
    body: "hi",
  }),
  message("205 is framed like any other", "HTTP/1.1 205 OK\r\nContent-Length: 2\r\n\r\nhi", {
    status: 205,
    body: "hi",
  }),
  message("an error", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nhi", { status: 503, reason: "Busy", body: "hi" }),
  message("up to the connection's end", `${ok}\r\nhello`, { ...toTheEnd, body: "hello", fields: [] }),
  message("up to the connection's end, at once", `${ok}\r\n`, toTheEnd),
  message("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", { ...toTheEnd, body: "hello" }),
  message("HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", { persists: false, body: "hi" }),
  message("HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", {
    body: "hi",
  }),
  message(
    "HTTP/1.0 that stays, in chunks",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    { ...inChunks, persists: false, body: "x" },
  ),
];

export const heads: readonly AnswerMessage[] = [
  message("no reason", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", { reason: "", body: "x" }),
  message("no reason, nor a space", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", { reason: "", body: "x" }),
  message("a reason with spaces, tabs and Latin-1", "HTTP/1.1 200 a\t b\xe9 \r\nContent-Length: 1\r\n\r\nx", {
    reason: "a\t b\xe9 ",
    body: "x",
  }),
  message("a reason with an escape", "HTTP/1.1 200 a\x1bb\r\nContent-Length: 1\r\n\r\nx", { reason: "", body: "x" }),
  message("a reason with a NUL", "HTTP/1.1 200 a\0b\r\nContent-Length: 1\r\n\r\nx", { reason: "", body: "x" }),
  message("an unknown status", "HTTP/1.1 999 OK\r\nContent-Length: 1\r\n\r\nx", { status: 999, body: "x" }),
  message("white space around values", `${ok}A: \t b \t\r\nB:c\r\nC:\r\nD: \t \r\nContent-Length:\t1 \r\n\r\nx`, {
    body: "x",
    fields: ["A", "b", "B", "c", "C", "", "D", "", "Content-Length", "1"],
  }),
  message("names in any case", `${ok}cOnTeNt-LeNgTh: 1\r\n\r\nx`, { body: "x", fields: ["cOnTeNt-LeNgTh", "1"] }),
  message("every octet of a name", `${ok}!#$%&'*+-.^_\`|~09azAZ: 1\r\nContent-Length: 1\r\n\r\nx`, { body: "x" }),
  message("Latin-1 in a value", `${ok}A: \x80\xff\r\nContent-Length: 1\r\n\r\nx`, {
    body: "x",
    fields: ["A", "\x80\xff", "Content-Length", "1"],
  }),
  message("a field twice", `${ok}A: 1\r\na: 2\r\nContent-Length: 1\r\n\r\nx`, {
    body: "x",
    fields: ["A", "1", "a", "2", "Content-Length", "1"],
  }),
  message("early hints", `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`, {
    body: "x",
    fields: ["Content-Length", "1"],
  }),
  message("102, twice", `${"HTTP/1.1 102 Wait\r\n\r\n".repeat(2)}${ok}Content-Length: 1\r\n\r\nx`, { body: "x" }),
  message("early hints with a length", `HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`, {
    body: "x",
  }),
  message(
    "early hints, and the connection closes",
    `HTTP/1.1 103 X\r\nConnection: close\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`,
    {
      body: "x",
    },
  ),
  message("100 that nobody asked for", `HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`, { body: "x" }),
];

export const chunks: readonly AnswerMessage[] = [
  message("no chunk", `${chunked}0\r\n\r\n`, inChunks),
  message("one chunk", `${chunked}5\r\nhello\r\n0\r\n\r\n`, { ...inChunks, body: "hello" }),
  message("chunks", `${chunked}2\r\nhe\r\n03\r\nllo\r\n000\r\n\r\n`, { ...inChunks, body: "hello" }),
  message("sizes in either case", `${chunked}a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n`, {
    ...inChunks,
    body: "01234567890123456789a",
  }),
  message("line ends in a chunk", `${chunked}8\r\n\r\n0\r\n\r\n\n\r\n0\r\n\r\n`, {
    ...inChunks,
    body: "\r\n0\r\n\r\n\n",
  }),
  message("a tab behind the coding", `${ok}Transfer-Encoding: chunked\t\r\n\r\n1\r\nx\r\n0\r\n\r\n`, {
    ...inChunks,
    body: "x",
  }),
  message("extensions", `${chunked}2;a;b=c;d="e \\" f"\r\nhi\r\n0;x=y\r\n\r\n`, { ...inChunks, body: "hi" }),
  message("an extension after white space", `${chunked}2 ;a=b\r\nhi\r\n0\r\n\r\n`, { ...inChunks, body: "hi" }),
  message("sizes padded with white space", `${chunked}2  \r\nhi\r\n0 \t\r\n\r\n`, { ...inChunks, body: "hi" }),
  message("an extension in no grammar", `${chunked}2;"a b\r\nhi\r\n0;;=\r\n\r\n`, { ...inChunks, body: "hi" }),
  message("trailers", `${chunked}2\r\nhi\r\n0\r\nA:\t1\r\nB:\r\n\r\n`, {
    ...inChunks,
    body: "hi",
    trailers: ["A", "1", "B", ""],
  }),
  message(
    "chunks, and the connection closes",
    `${ok}Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`,
    {
      ...inChunks,
      persists: false,
    },
  ),
  message("chunks, with bytes behind", `${chunked}1\r\nx\r\n0\r\n\r\n0\r\n\r\n`, { ...inChunks, ...dirty, body: "x" }),
  message("trailers, with bytes behind", `${chunked}0\r\nA: 1\r\n\r\nx`, {
    ...inChunks,
    ...dirty,
    trailers: ["A", "1"],
  }),
  message(
    "framing among the trailers",
    `${chunked}1\r\nx\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n`,
    {
      ...inChunks,
      body: "x",
      trailers: ["Content-Length", "9", "Transfer-Encoding", "chunked"],
    },
  ),
];

export const answerMessages: readonly AnswerMessage[] = [...bodiless, ...withBody, ...heads, ...chunks];
