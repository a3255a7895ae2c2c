// Sends a backend's answer to the client: unbuffered, with back-pressure, what arrives in one tick as one write.
import type { ServerResponse } from "node:http";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import type { Flow } from "./attempt.ts";
import { headersToClient } from "./headers.ts";
import { decoder, type Tap } from "./tap.ts";

/** Takes chunks, gives what the client may see of them. */
export interface ClientFilter {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

export interface AnswerOptions {
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly now: () => number;
  /** Our own headers (flat), added to those of the backend that cross. */
  readonly ownHeaders: () => string[];
  readonly tap: Tap | undefined;
  /** Withholds parts of the (decoded) answer from the client. */
  readonly filter: ClientFilter | undefined;
  readonly clientTakesTrailers: boolean;
}

const empty = Buffer.alloc(0);
const framingByFilter: ReadonlySet<string> = new Set(["content-encoding", "etag", "content-md5", "digest"]);

/** Counts what goes out, stamps the first token, and never holds more than the present tick's chunks. */
export class Answer {
  readonly #options: AnswerOptions;
  #flow: Flow | undefined;
  #status = 0;
  #statusText = "";
  #headers: string[] = [];
  #announcedLength: string | undefined;
  #pending: Buffer[] = [];
  #scheduled = false;
  #headSent = false;
  #ended = false;
  #trailers: readonly string[] = [];
  #decode: ReturnType<typeof decoder>;
  #deaf = false;
  #trailersRefused = false;
  #unheard = 0;
  #unheardLimit = Number.POSITIVE_INFINITY;
  #tooMuch: () => void = () => {};
  /** Called once, when the answer's last byte was handed to the client's connection. */
  finished: () => void = () => {};

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  head(status: number, statusText: string, rawHeaders: readonly string[], lower: AnswerHeaders, flow: Flow): void {
    const { filter, clientTakesTrailers, ownHeaders } = this.#options;
    this.#flow = flow;
    this.#status = status;
    this.#statusText = statusText;
    this.#headers = headersToClient(rawHeaders, filter ? framingByFilter : undefined);
    for (const part of ownHeaders()) this.#headers.push(part);
    if (!filter) this.#announcedLength = lower.contentLength;
    else if (lower.contentEncoding) this.#decodeFor(lower.contentEncoding);
    if (lower.trailer !== undefined && clientTakesTrailers && this.#announcedLength === undefined) {
      this.#headers.push("trailer", lower.trailer);
    } else this.#trailersRefused = true;
    this.#schedule();
  }

  /** A filter reads text: an answer that is compressed all the same is decoded first and goes out plain. */
  #decodeFor(encoding: string): void {
    const decode = decoder(encoding);
    if (!decode) return;
    this.#decode = decode;
    decode.on("data", (chunk: Buffer) => this.#take(chunk));
    decode.on("end", () => this.#last());
    decode.on("error", () => this.cut());
    decode.on("drain", () => this.#flow?.resume());
  }

  data(chunk: Buffer): void {
    this.#options.tap?.see(chunk);
    if (this.#deaf) {
      this.#unheard += chunk.length;
      if (this.#unheard > this.#unheardLimit) this.#tooMuch();
      return;
    }
    if (this.#decode === undefined) this.#take(chunk);
    else if (!this.#decode.write(chunk)) this.#flow?.pause();
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers;
    if (this.#decode === undefined) this.#last();
    else this.#decode.end();
  }

  /** Nobody reads any more: bytes are still watched, and no longer sent. */
  deafen(): void {
    this.#deaf = true;
    this.#pending = [];
    this.#flow?.resume();
  }

  /** Calls `tooMuch` when more than this is read after `deafen`. */
  limit(bytes: number, tooMuch: () => void): void {
    this.#unheardLimit = bytes;
    this.#tooMuch = tooMuch;
  }

  /** The answer broke off: the client gets what came, then a connection that ends without the answer's end. */
  cut(): void {
    this.#flush();
    this.#deaf = true;
    const { res } = this.#options;
    if (!res.headersSent) this.#sendHead();
    if (res.destroyed) return;
    // To a client of HTTP/1.0 the connection's orderly end would mean that the answer is complete.
    if (res.req.httpVersionMinor === 0 && this.#announcedLength === undefined) res.socket?.resetAndDestroy();
    else res.socket?.destroySoon();
  }

  get began(): boolean {
    return this.#headSent;
  }

  #take(chunk: Buffer): void {
    const { filter } = this.#options;
    const seen = filter ? filter.push(chunk) : chunk;
    if (seen.length > 0) this.#pending.push(seen);
    this.#schedule();
  }

  #last(): void {
    const rest = this.#options.filter?.end();
    if (rest && rest.length > 0) this.#pending.push(rest);
    this.#ended = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#deaf) return;
    this.#scheduled = true;
    process.nextTick(flushOf, this);
  }

  /** @internal For the scheduler alone. */
  flushScheduled(): void {
    this.#scheduled = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#deaf) return;
    const { res, draft, tap, now } = this.#options;
    const pending = this.#pending;
    const bytes = pending.length === 0 ? empty : pending.length === 1 ? (pending[0] ?? empty) : Buffer.concat(pending);
    if (pending.length > 0) this.#pending = [];
    draft.responseBytes += bytes.length;
    if (tap && draft.firstTokenAt === undefined && tap.sawToken) draft.firstTokenAt = now();
    if (this.#ended) {
      this.#deaf = true;
      if (!this.#headSent) this.#sendHead(this.#trailersRefused ? bytes.length : undefined);
      if (!this.#trailersRefused && this.#trailers.length > 0) res.addTrailers(pairs(this.#trailers));
      res.end(bytes, this.finished);
      return;
    }
    if (!this.#headSent) {
      this.#sendHead();
      if (bytes.length === 0) res.flushHeaders();
    }
    if (bytes.length > 0 && !res.write(bytes)) {
      this.#flow?.pause();
      res.once("drain", () => this.#flow?.resume());
    }
  }

  #sendHead(wholeLength?: number): void {
    this.#headSent = true;
    const { res } = this.#options;
    const bodiless = res.req.method === "HEAD" || this.#status === 204 || this.#status === 304;
    // What came whole gets a length, which is cheaper for both sides than chunks.
    const length = this.#announcedLength ?? (wholeLength === undefined || bodiless ? undefined : String(wholeLength));
    if (length !== undefined) this.#headers.push("content-length", length);
    res.writeHead(this.#status, this.#statusText, this.#headers);
  }
}

/** The few headers of an answer that steer the gateway itself. */
export interface AnswerHeaders {
  readonly contentLength: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly trailer: string | undefined;
}

const flushOf = (answer: Answer) => answer.flushScheduled();

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? "", flat[i + 1] ?? ""]);
  return list;
}
