// Finds an answer in what a connection reads: HTTP/1.1, strictly, wherever one read ends and the next begins.
import { errors } from "undici";
import { type AnswerHead, HeadParser, mayBecomeHead } from "./head-parser.ts";
import { notHttp } from "./not-http.ts";
import { cr, hexDigits, lf, semicolon, space, tab, valueOctets } from "./octets.ts";

/** Who is told of an answer's parts. */
export interface AnswerParts {
  /** Of the answer proper; informational ones are nobody's business. */
  head(head: AnswerHead): void;
  /** A window on what was read. */
  data(chunk: Buffer): void;
  /** Trailers are flat, like fields. `isClean`: nothing came behind it. */
  end(trailers: readonly string[], isClean: boolean): void;
}

/** Octets of a head, and of trailers. */
const longestHead = 64 * 1024;
/** Octets of the line before a chunk: its length, and extensions that nobody reads. */
const longestChunkLine = 4 * 1024;
/** Informational answers before the answer proper. */
const mostInformational = 100;

const endOfFields = Buffer.from("\r\n\r\n");
const noTrailers: readonly string[] = [];

type State = "idle" | "head" | "length" | "close" | "chunk-line" | "chunk" | "chunk-end" | "trailers";

export class AnswerParser {
  readonly #parts: AnswerParts;
  readonly #heads = new HeadParser();
  #state: State = "idle";
  #isHead = false;
  /** What was read, but cannot be understood without what comes next. */
  #rest: Buffer | undefined;
  /** Octets of the body, or of the chunk, that are still to come. */
  #left = 0;
  #informational = 0;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** An answer is expected from now on. `isHead`: to a HEAD request, so that it has no body. */
  begin(isHead: boolean): void {
    this.#state = "head";
    this.#isHead = isHead;
    this.#informational = 0;
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#state = "idle";
    this.#rest = undefined;
  }

  /** Takes what was read. Throws undici's errors where it is no answer; it is not to be used any more then. */
  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const seen = this.#rest?.length ?? 0;
    this.#rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at, at === 0 ? seen : at);
      if (next === undefined) {
        this.#rest = at === 0 ? bytes : bytes.subarray(at);
        return;
      }
      if (this.#state === "idle") return;
      at = next;
    }
  }

  /** The connection ended in order. Throws where that is not the end of an answer. */
  finish(): void {
    if (this.#state === "close") this.#ends(noTrailers, true);
    else if (this.#state === "length") throw new errors.ResponseContentLengthMismatchError();
    else if (this.#state !== "idle") throw new errors.SocketError("other side closed");
  }

  /** Goes on from `at`, up to where it gives; `undefined`: more has to come. `seen`: up to there it was looked through before. */
  #step(bytes: Buffer, at: number, seen: number): number | undefined {
    switch (this.#state) {
      case "idle":
        throw new errors.SocketError("other side spoke unasked");
      case "head":
        return this.#head(bytes, at, seen);
      case "length":
        return this.#body(bytes, at);
      case "close":
        this.#parts.data(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      case "chunk-line":
        return this.#chunkLine(bytes, at);
      case "chunk":
        return this.#chunk(bytes, at);
      case "chunk-end":
        if (at + 2 > bytes.length) return undefined;
        if (bytes[at] !== cr || bytes[at + 1] !== lf) throw notHttp("a chunk of another length than was said");
        this.#state = "chunk-line";
        return at + 2;
      case "trailers":
        return this.#trailers(bytes, at, seen);
    }
  }

  #head(bytes: Buffer, at: number, seen: number): number | undefined {
    const end = endIn(bytes, at, seen);
    if (end === undefined) {
      mayBecomeHead(bytes, at, seen);
      return undefined;
    }
    const head = this.#heads.head(bytes, at, end, this.#isHead);
    if (head.status === 101) throw notHttp("it switches protocols unasked");
    if (head.status < 200) {
      this.#informational += 1;
      if (this.#informational > mostInformational) throw notHttp("too many informational answers");
      return end;
    }
    const { body, length } = head.framing;
    this.#left = length;
    this.#state = body === "none" ? "head" : body === "chunked" ? "chunk-line" : body;
    this.#parts.head(head);
    if (body === "none" && this.#state === "head") this.#ends(noTrailers, end === bytes.length);
    return end;
  }

  #body(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    const isOver = this.#left === 0;
    this.#parts.data(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (isOver && this.#state === "length") this.#ends(noTrailers, end === bytes.length);
    return end;
  }

  #chunkLine(bytes: Buffer, at: number): number | undefined {
    let size = 0;
    let i = at;
    let digit = hexDigits[bytes[i] as number] as number;
    while (i < bytes.length && digit < 16) {
      size = size * 16 + digit;
      // More than can be counted exactly.
      if (i - at > 12) throw notHttp("a chunk without a length");
      i += 1;
      digit = hexDigits[bytes[i] as number] as number;
    }
    const digits = i - at;
    // Some pad it, and some put extensions behind it.
    while (i < bytes.length && (bytes[i] === space || bytes[i] === tab)) i += 1;
    if (bytes[i] === semicolon) while (i < bytes.length && valueOctets[bytes[i] as number] === 1) i += 1;
    if (i - at > longestChunkLine) throw notHttp("a chunk without a length");
    if (i + 1 >= bytes.length && (i === bytes.length || bytes[i] === cr)) return undefined;
    if (digits === 0 || bytes[i] !== cr || bytes[i + 1] !== lf) throw notHttp("a chunk without a length");
    this.#left = size;
    this.#state = size === 0 ? "trailers" : "chunk";
    return i + 2;
  }

  #chunk(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = "chunk-end";
    this.#parts.data(bytes.subarray(at, end));
    return end;
  }

  #trailers(bytes: Buffer, at: number, seen: number): number | undefined {
    if (bytes[at] === cr && bytes[at + 1] === lf) {
      this.#ends(noTrailers, at + 2 === bytes.length);
      return at + 2;
    }
    const end = endIn(bytes, at, seen);
    if (end === undefined) return undefined;
    this.#ends(new HeadParser().fields(bytes, at, end), end === bytes.length);
    return end;
  }

  #ends(trailers: readonly string[], isClean: boolean): void {
    this.#state = "idle";
    this.#parts.end(trailers, isClean);
  }
}

/** Where the empty line ends that ends the fields from `at` on. */
function endIn(bytes: Buffer, at: number, seen: number): number | undefined {
  const found = bytes.indexOf(endOfFields, Math.max(at, seen - 3));
  const length = (found < 0 ? bytes.length : found + 4) - at;
  if (length > longestHead) throw new errors.HeadersOverflowError();
  return found < 0 ? undefined : found + 4;
}
