// Copies an answer while it goes to its client, and keeps it once it proved to be whole and good.
import type { CacheSaved, Exchange, Outcome } from "../../instrumentation/index.ts";
import { headerIn } from "../headers.ts";
import type { ReceivedHead } from "../received-head.ts";
import type { Witness } from "../witness.ts";
import type { Entry } from "./entry.ts";

/** What of a backend's head is about the answer, and not about the one request that made it. */
const keptHeaders = ["content-type", "content-encoding", "content-language", "openai-model", "openai-version"];

const missed: readonly string[] = ["x-tollgate-cache", "miss"];

const firstBytes = 4 * 1024;
/** What a place in `ends` is taken to cost, so that a stream of tiny pieces is bounded, too. */
const bytesPerEnd = 8;
const empty = Buffer.alloc(0);

export interface RecordingOptions {
  readonly maxBytes: number;
  /** Its endpoint states usage, so that an answer without any was not read to its end. */
  readonly metered: boolean;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /**
   * Told once how it went: the answer to keep, or nothing, as soon as that is known. `isHopeless`: whoever asks the same
   * gets nothing to keep, either. Must not throw.
   */
  readonly ended: (entry: Entry | undefined, isHopeless: boolean) => void;
  readonly failed: (error: unknown) => void;
}

export class Recording implements Witness {
  readonly #options: RecordingOptions;
  #headers: string[] = [];
  #isStream = false;
  /** Copied at once: the chunks are parts of larger buffers, which would live on with them. */
  #bytes: Buffer = empty;
  #length = 0;
  readonly #ends: number[] = [];
  #isOn = false;
  #isOver = false;

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  begins({ status, contentType, contentLength, crossing }: ReceivedHead, rewritten: boolean): readonly string[] {
    this.#isOn = !this.#isOver && status === 200;
    this.#length = 0;
    this.#ends.length = 0;
    if (this.#isOn && Number(contentLength ?? 0) > this.#options.maxBytes) this.#end(undefined, true);
    if (!this.#isOn) return [];
    this.#isStream = contentType === "text/event-stream";
    this.#headers = [];
    for (const name of keptHeaders) {
      const value = headerIn(crossing, name);
      if (value !== undefined && !(rewritten && name === "content-encoding")) this.#headers.push(name, value);
    }
    return missed;
  }

  sent(bytes: Buffer): void {
    if (!this.#isOn || bytes.length === 0) return;
    const length = this.#length + bytes.length;
    if (length + this.#ends.length * bytesPerEnd > this.#options.maxBytes) {
      this.#end(undefined, true);
      return;
    }
    try {
      if (length > this.#bytes.length) this.#grow(length);
      bytes.copy(this.#bytes, this.#length);
      this.#length = length;
      if (this.#isStream) this.#ends.push(length);
    } catch (error) {
      this.#options.failed(error);
      this.#end(undefined);
    }
  }

  over(exchange: Exchange): void {
    if (this.#isOver) return;
    const entry =
      this.#isOn && isWhole(exchange, this.#length, this.#options.metered) ? this.#entry(exchange) : undefined;
    this.#end(entry, isForAll(exchange.outcome));
  }

  #entry(exchange: Exchange): Entry | undefined {
    const saved = savedBy(exchange);
    if (saved === undefined) return undefined;
    const { outcome, model } = exchange;
    return {
      storedAt: this.#options.wall(),
      headers: this.#headers,
      body: this.#bytes.subarray(0, this.#length),
      ends: this.#ends,
      finish: outcome.kind === "completed" ? outcome.finish : "",
      ...(model.served !== undefined && { served: model.served }),
      saved,
    };
  }

  #grow(needed: number): void {
    const size = Math.max(firstBytes, needed, Math.min(this.#bytes.length * 2, this.#options.maxBytes));
    const grown = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  #end(entry: Entry | undefined, isHopeless = false): void {
    this.#isOver = true;
    this.#isOn = false;
    this.#bytes = empty;
    this.#options.ended(entry, isHopeless);
  }
}

/** Completed, to the last byte of what the client was sent, and read to its own end mark where it is read at all. */
const isWhole = ({ outcome, bytes, usageSource }: Exchange, length: number, metered: boolean): boolean =>
  outcome.kind === "completed" &&
  outcome.status === 200 &&
  (usageSource !== undefined || !metered) &&
  bytes.response === length;

/** The backend answered what was asked, if only that it is wrong: it would say so to all who ask it. */
const isForAll = (outcome: Outcome): boolean =>
  outcome.kind === "completed" || (outcome.kind === "refused" && outcome.reason === "upstream_rejected");

/** What the last attempt counted; `undefined` where there was none. */
function savedBy({ attempts, tokens, media, usageSource }: Exchange): CacheSaved | undefined {
  const attempt = attempts.at(-1);
  if (attempt === undefined) return undefined;
  const { backend, provider, model, seconds } = attempt;
  return {
    backend,
    provider,
    seconds,
    ...(model !== undefined && { model }),
    ...(tokens && { tokens }),
    ...(media && { media }),
    ...(usageSource && { usageSource }),
  };
}
