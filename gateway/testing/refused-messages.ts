// Bytes that are no answer, or could be read as two, and what they are refused with.
import type { AnswerMessage } from "./answer-messages.ts";

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
/** Behind a head that is refused: what one reader or another would take for a body. */
const body = "\r\n1\r\nx\r\n0\r\n\r\n";

/** Not HTTP/1.1 at all, before anything is told. */
const refused = (name: string, text: string, error = "HTTPParserError"): AnswerMessage => ({
  name,
  text,
  told: { status: undefined, body: "", trailers: undefined, refused: error },
});

/** Some of it was told before. */
const broken = (name: string, text: string, told: string, error = "HTTPParserError"): AnswerMessage => ({
  name,
  text,
  told: { status: 200, body: told, trailers: undefined, refused: error },
});

const fields = (name: string, lines: string): AnswerMessage => refused(name, `${ok}${lines}\r\n${body}`);
const firstLine = (name: string, line: string): AnswerMessage => refused(name, `${line}\r\nContent-Length: 1\r\n\r\nx`);

export const refusedHeads: readonly AnswerMessage[] = [
  firstLine("another protocol", "ICY 200 OK"),
  firstLine("HTTP/0.9", "HTTP/0.9 200 OK"),
  firstLine("HTTP/1.2", "HTTP/1.2 200 OK"),
  firstLine("HTTP/2.0", "HTTP/2.0 200 OK"),
  firstLine("HTTP/1.10", "HTTP/1.10 200 OK"),
  firstLine("a protocol in small letters", "http/1.1 200 OK"),
  firstLine("a request", "GET / HTTP/1.1"),
  firstLine("no status", "HTTP/1.1"),
  firstLine("a status of two digits", "HTTP/1.1 20 OK"),
  firstLine("a status of four digits", "HTTP/1.1 2000 OK"),
  firstLine("a status below 100", "HTTP/1.1 099 OK"),
  firstLine("a signed status", "HTTP/1.1 +20 OK"),
  firstLine("no space behind the status", "HTTP/1.1 200OK"),
  firstLine("a tab behind the status", "HTTP/1.1 200\tOK"),
  firstLine("two spaces before the status", "HTTP/1.1  200 OK"),
  firstLine("a space before it", " HTTP/1.1 200 OK"),
  firstLine("an empty line before it", "\r\nHTTP/1.1 200 OK"),
  firstLine("a bare LF before it", "\nHTTP/1.1 200 OK"),
  firstLine("a bare LF in the first line", "HTTP/1.1 200 O\nK: x"),
  firstLine("a bare LF behind the status", "HTTP/1.1 200\nA: b"),
  firstLine("a bare CR in the first line", "HTTP/1.1 200 O\rK"),
  firstLine("CR CR in the first line", "HTTP/1.1 200 OK\r\rA: b"),
  fields("a space before the colon", "Content-Length : 1"),
  fields("a tab before the colon", "Content-Length\t: 1"),
  fields("a name of no octets", ": 1\r\nContent-Length: 1"),
  fields("a line without a colon", "Content-Length\r\nContent-Length: 1"),
  fields("a name with a space", "A b: 1\r\nContent-Length: 1"),
  fields("a name with Latin-1", "\xe9: 1\r\nContent-Length: 1"),
  fields("a name with a NUL", "A\0: 1\r\nContent-Length: 1"),
  fields("a name with brackets", "(A): 1\r\nContent-Length: 1"),
  fields("white space before the first field", " A: 1\r\nContent-Length: 1"),
  fields("a folded value", "A: 1\r\n 2\r\nContent-Length: 1"),
  fields("a folded value, by a tab", "A: 1\r\n\t2\r\nContent-Length: 1"),
  fields("a folded length", "Content-Length:\r\n 1"),
  fields("a bare LF between fields", "A: 1\nContent-Length: 1"),
  fields("a bare CR between fields", "A: 1\rContent-Length: 1"),
  fields("CR CR LF", "A: 1\r\r\nContent-Length: 1"),
  fields("a NUL in a value", "A: a\0b\r\nContent-Length: 1"),
  fields("a DEL in a value", "A: a\x7fb\r\nContent-Length: 1"),
  fields("an escape in a value", "A: a\x1bb\r\nContent-Length: 1"),
  refused("bare LFs throughout", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx"),
  refused("101 that nobody asked for", "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
  refused("101, and an answer behind it", `HTTP/1.1 101 X\r\n\r\n${ok}Content-Length: 0\r\n\r\n`),
  refused("101 without a word of where to", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
  refused("an informational answer of HTTP/1.0", `HTTP/1.0 103 X\r\n\r\n${ok}Content-Length: 0\r\n\r\n`),
  refused("an informational answer that is no head", `HTTP/1.1 103 X\r\nA : b\r\n\r\n${ok}Content-Length: 0\r\n\r\n`),
];

export const refusedFraming: readonly AnswerMessage[] = [
  ...["+1", "-1", "0x1", "1 1", "1,1", "1, 1", "1,2", "", "1.0", "1e0", "one", '"1"', "\xb9"].map((length) =>
    fields(`a length of ${JSON.stringify(length)}`, `Content-Length: ${length}`),
  ),
  fields("a length of sixteen digits", "Content-Length: 1000000000000000"),
  fields("a length of sixteen digits that say little", "Content-Length: 0000000000000001"),
  fields("a length beyond 64 bits", "Content-Length: 18446744073709551617"),
  fields("a length twice", "Content-Length: 1\r\nContent-Length: 1"),
  fields("two lengths", "Content-Length: 1\r\ncontent-length: 2"),
  fields("a length and chunks", "Content-Length: 1\r\nTransfer-Encoding: chunked"),
  fields("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 1"),
  ...[
    "gzip, chunked",
    "chunked, chunked",
    "chunked, gzip",
    "gzip",
    "identity",
    "",
    "xchunked",
    "chunked;q=1",
    "chunked,",
  ].map((coding) => fields(`a coding of ${JSON.stringify(coding)}`, `Transfer-Encoding: ${coding}`)),
  fields("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
  fields("codings in two fields", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
];

export const brokenBodies: readonly AnswerMessage[] = [
  ...["g", "-1", "+1", "0x1", "", ";a", " 1", "1 1", "1 a", "1\t1", "1,", "1\0", "1;\0", "1;a\x1b", "1;\xe9\x7f"].map(
    (size) => broken(`a chunk's size of ${JSON.stringify(size)}`, `${chunked}${size}\r\nx\r\n0\r\n\r\n`, ""),
  ),
  broken("a chunk's size that cannot be counted", `${chunked}10000000000001\r\nx\r\n0\r\n\r\n`, ""),
  broken("a chunk's size beyond 64 bits", `${chunked}10000000000000001\r\nx\r\n0\r\n\r\n`, ""),
  broken("a chunk's size with noughts without end", `${chunked}00000000000001\r\nx\r\n0\r\n\r\n`, ""),
  broken(
    "the largest size, and not so much",
    `${chunked}fffffffffffff\r\nx\r\n0\r\n\r\n`,
    "x\r\n0\r\n\r\n",
    "SocketError",
  ),
  broken("a bare LF behind a size", `${chunked}1\nx\r\n0\r\n\r\n`, ""),
  broken("a bare CR behind a size", `${chunked}1\rx\r\n0\r\n\r\n`, ""),
  broken("a bare LF in an extension", `${chunked}1;a\nx\r\n0\r\n\r\n`, ""),
  broken("a bare CR in an extension", `${chunked}1;a\rx\r\n0\r\n\r\n`, ""),
  broken("a chunk that is shorter than it says", `${chunked}2\r\nx\r\n0\r\n\r\n`, "x\r"),
  broken("a chunk that is longer than it says", `${chunked}1\r\nxy\r\n0\r\n\r\n`, "x"),
  broken("a bare LF behind a chunk", `${chunked}1\r\nx\n0\r\n\r\n`, "x"),
  broken("a bare CR behind a chunk", `${chunked}1\r\nx\r0\r\n\r\n`, "x"),
  broken("a CR and something else behind a chunk", `${chunked}1\r\nx\ry0\r\n\r\n`, "x"),
  broken("no size before the end", `${chunked}1\r\nx\r\n\r\n\r\n`, "x"),
  broken("no size before an extension and the end", `${chunked}1\r\nx\r\n;a\r\n\r\n`, "x"),
  broken("a bare LF behind the last size", `${chunked}1\r\nx\r\n0\n\r\n`, "x"),
  broken("a folded trailer", `${chunked}0\r\nA: 1\r\n 2\r\n\r\n`, ""),
  broken("a trailer with a space before the colon", `${chunked}0\r\nA : 1\r\n\r\n`, ""),
  broken("a trailer without a name", `${chunked}0\r\n: 1\r\n\r\n`, ""),
  broken("a trailer with a bare LF", `${chunked}0\r\nA: 1\nB: 2\r\n\r\n`, ""),
  broken("a trailer with a bare CR", `${chunked}0\r\nA: 1\rB: 2\r\n\r\n`, ""),
  broken("a trailer with a NUL", `${chunked}0\r\nA: \0\r\n\r\n`, ""),
  broken("a bare CR for the last line", `${chunked}0\r\n\rA: 1\r\n\r\n`, ""),
  broken(
    "fewer octets than were said",
    `${ok}Content-Length: 5\r\n\r\nhell`,
    "hell",
    "ResponseContentLengthMismatchError",
  ),
  broken("no end of the chunks", `${chunked}1\r\nx\r\n`, "x", "SocketError"),
  broken("no end of the trailers", `${chunked}1\r\nx\r\n0\r\nA: 1\r\n`, "x", "SocketError"),
  refused("no end of the head", `${ok}Content-Length: 5\r\n`, "SocketError"),
  refused("no answer behind an informational one", "HTTP/1.1 103 X\r\n\r\n", "SocketError"),
  refused("nothing", "", "SocketError"),
];

const filler = (octets: number): string => `A: ${"x".repeat(octets - 5)}\r\n`;
const most = 64 * 1024;
const overHead = most - ok.length - 2;

/** Of head, trailers and a chunk's line: the longest, and one octet more. */
export const bounds: readonly AnswerMessage[] = [
  {
    name: "the longest head",
    text: `${ok}${filler(overHead)}\r\n`,
    isHead: true,
    told: { status: 200, refused: undefined },
  },
  refused("a head beyond the longest", `${ok}${filler(overHead + 1)}\r\n`, "HeadersOverflowError"),
  refused("a head without end", `${ok}${filler(most)}`, "HeadersOverflowError"),
  refused("an informational head without end", `HTTP/1.1 103 X\r\n${filler(most)}`, "HeadersOverflowError"),
  {
    name: "the longest trailers",
    text: `${chunked}0\r\n${filler(most - 2)}\r\n`,
    told: { status: 200, trailers: ["A", "x".repeat(most - 7)], refused: undefined },
  },
  broken("trailers beyond the longest", `${chunked}0\r\n${filler(most - 1)}\r\n`, "", "HeadersOverflowError"),
  broken("trailers without end", `${chunked}0\r\n${filler(most + 1)}`, "", "HeadersOverflowError"),
  {
    name: "the longest line before a chunk",
    text: `${chunked}1;${"x".repeat(4094)}\r\nx\r\n0\r\n\r\n`,
    told: { status: 200, body: "x", trailers: [], refused: undefined },
  },
  broken("a line before a chunk beyond the longest", `${chunked}1;${"x".repeat(4095)}\r\nx\r\n0\r\n\r\n`, ""),
  broken("a line before a chunk without end", `${chunked}1;${"x".repeat(4096)}`, ""),
  {
    name: "as many informational answers as are borne",
    text: `${"HTTP/1.1 103 X\r\n\r\n".repeat(100)}${ok}Content-Length: 0\r\n\r\n`,
    told: { status: 200, refused: undefined },
  },
  refused("one informational answer too many", `${"HTTP/1.1 103 X\r\n\r\n".repeat(101)}${ok}Content-Length: 0\r\n\r\n`),
];

export const refusedMessages: readonly AnswerMessage[] = [...refusedHeads, ...refusedFraming, ...brokenBodies];
