// The head of an answer on its way to the client: what crosses of the backend's, what is ours, how the body is framed.
import type { ServerResponse } from "node:http";
import { headerIn, headersToClient } from "./headers.ts";

export interface AnswerHeadOptions {
  readonly res: ServerResponse;
  readonly status: number;
  readonly statusText: string;
  /** The backend's, flat. */
  readonly rawHeaders: readonly string[];
  /** Ours, flat. */
  readonly ownHeaders: readonly string[];
  /** The body may go out otherwise than it came. */
  readonly rewritten: boolean;
}

/** Speak of the very bytes that the backend sent. */
const ofTheBytes: ReadonlySet<string> = new Set([
  "content-digest",
  "content-encoding",
  "content-md5",
  "digest",
  "etag",
  "repr-digest",
]);

export class AnswerHead {
  readonly #options: Pick<AnswerHeadOptions, "res" | "status" | "statusText">;
  readonly #headers: string[];
  readonly #isBodiless: boolean;
  readonly #trails: boolean;
  /** The body's length as the backend announced it, where it holds for the client, too. */
  readonly length: string | undefined;
  sent = false;

  constructor(options: AnswerHeadOptions) {
    const { res, status, statusText, rawHeaders, ownHeaders, rewritten } = options;
    // Not the backend's headers: an answer may stream for minutes, and nobody asks for them again.
    this.#options = { res, status, statusText };
    const { req } = res;
    this.#headers = headersToClient(rawHeaders, rewritten ? ofTheBytes : undefined);
    for (const part of ownHeaders) this.#headers.push(part);
    this.#isBodiless = req.method === "HEAD" || status === 204 || status === 304;
    // A 204 may have no length (RFC 9110 §8.6).
    this.length = rewritten || status === 204 ? undefined : headerIn(rawHeaders, "content-length");
    // Only chunks can have trailers behind them.
    const isChunked = this.length === undefined && !this.#isBodiless && req.httpVersion !== "1.0";
    const trailer = isChunked ? headerIn(rawHeaders, "trailer") : undefined;
    this.#trails = trailer !== undefined && /\btrailers\b/i.test(String(req.headers.te));
    if (trailer !== undefined && this.#trails) this.#headers.push("trailer", trailer);
  }

  /** Hands the head to Node. `whole`: the length of a body that is there already. Throws where Node finds it invalid. */
  write(whole?: number): void {
    this.sent = true;
    const { res, status, statusText } = this.#options;
    // What came whole gets a length, which is cheaper for both sides than chunks.
    const length = this.length ?? (whole === undefined || this.#isBodiless || this.#trails ? undefined : String(whole));
    if (length !== undefined) this.#headers.push("content-length", length);
    res.writeHead(status, statusText, this.#headers);
    this.#headers.length = 0;
  }

  /** The backend's trailers (flat), for a client that takes them; what may not cross as a header does not as a trailer. */
  trailers(rawTrailers: readonly string[]): void {
    if (!this.#trails || rawTrailers.length === 0) return;
    const flat = headersToClient(rawTrailers);
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? "", flat[i + 1] ?? ""]);
    this.#options.res.addTrailers(pairs);
  }
}
