// The head of an answer on its way to the client: what crosses of the backend's, what is ours, how the body is framed.
import type { ServerResponse } from "node:http";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import { headersToClient, withoutRateLimits } from "./headers.ts";
import { signature } from "./outgoing.ts";
import { writeQuickly } from "./quick-head.ts";
import type { ReceivedHead } from "./received-head.ts";

export interface AnswerHeadOptions {
  readonly res: ServerResponse;
  readonly received: ReceivedHead;
  /** Tells of itself in our headers, as it stands when the head is sent. */
  readonly draft: ExchangeDraft;
  /** Our other headers: flat lists, one behind the other. */
  readonly own: readonly (readonly string[])[];
  /** The body may go out otherwise than it came. */
  readonly rewritten: boolean;
  /** Our headers tell of the client's limits, so that the backend's, which are ours there, stay behind. */
  readonly tellsLimits: boolean;
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

const withoutOfTheBytes = (flat: readonly string[]): string[] =>
  flat.filter((_, i) => !ofTheBytes.has((flat[i - (i % 2)] ?? "").toLowerCase()));

export class AnswerHead {
  readonly #res: ServerResponse;
  readonly #draft: ExchangeDraft;
  readonly #status: number;
  readonly #statusText: string;
  /** Flat lists, one behind the other. */
  readonly #fields: (readonly string[])[];
  readonly #isBodiless: boolean;
  readonly #trails: boolean;
  /** The body's length as the backend announced it, where it holds for the client, too. */
  readonly length: string | undefined;
  sent = false;

  constructor({ res, received, draft, own, rewritten, tellsLimits }: AnswerHeadOptions) {
    const { status, statusText, contentLength, trailer } = received;
    const crossing = tellsLimits ? withoutRateLimits(received.crossing) : received.crossing;
    this.#res = res;
    this.#draft = draft;
    this.#status = status;
    this.#statusText = statusText;
    const { req } = res;
    this.#fields = [rewritten ? withoutOfTheBytes(crossing) : crossing, ...own];
    this.#isBodiless = req.method === "HEAD" || status === 204 || status === 304;
    // A 204 may have no length (RFC 9110 §8.6).
    this.length = rewritten || status === 204 ? undefined : contentLength;
    // Only chunks can have trailers behind them.
    this.#trails =
      trailer !== undefined &&
      this.length === undefined &&
      !this.#isBodiless &&
      req.httpVersion !== "1.0" &&
      /\btrailers\b/i.test(String(req.headers.te));
    if (trailer !== undefined && this.#trails) this.#fields.push(["trailer", trailer]);
  }

  /** Hands the head to Node. `whole`: the length of a body that is there already. Throws where Node finds it invalid. */
  write(whole?: number): void {
    this.sent = true;
    // What came whole gets a length, which is cheaper for both sides than chunks.
    const length = this.length ?? (whole === undefined || this.#isBodiless || this.#trails ? undefined : String(whole));
    const status = this.#status;
    const statusText = this.#statusText;
    const fields = this.#fields;
    fields.push(signature(this.#draft));
    const isWhole = length !== undefined && !this.#isBodiless;
    if (!isWhole || !writeQuickly(this.#res, { status, statusText, fields, length })) {
      const flat = fields.flat();
      if (length !== undefined) flat.push("content-length", length);
      this.#res.writeHead(status, statusText, flat);
    }
    // An answer may stream for minutes, and nobody asks for its headers again.
    fields.length = 0;
  }

  /** The backend's trailers (flat), for a client that takes them; what may not cross as a header does not as a trailer. */
  trailers(rawTrailers: readonly string[]): void {
    if (!this.#trails || rawTrailers.length === 0) return;
    const flat = headersToClient(rawTrailers);
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? "", flat[i + 1] ?? ""]);
    this.#res.addTrailers(pairs);
  }
}
