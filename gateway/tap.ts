// Watches an answer's bytes for the record while they flow; whatever it does or fails to do, the bytes are not touched.
import zlib from "node:zlib";
import type { AnswerFacts, AnswerReader } from "./receivers/receiver.ts";

/** Looks at body bytes as the backend sent them, and says in the end what they meant. */
export interface Tap {
  see(chunk: Buffer): void;
  readonly sawToken: boolean;
  /** Runs `then` once every byte seen is decoded: at once, unless the answer is compressed. */
  decoded(then: () => void): void;
  /** What was learned, or `undefined` when watching failed. To be called once, after `decoded`. */
  finish(): AnswerFacts | undefined;
}

export type Decoder = zlib.Gunzip | zlib.BrotliDecompress | zlib.ZstdDecompress;

const decoders = new Map<string, () => Decoder>([
  ["gzip", () => zlib.createGunzip()],
  ["x-gzip", () => zlib.createGunzip()],
  ["deflate", () => zlib.createInflate()],
  ["br", () => zlib.createBrotliDecompress()],
  ["zstd", () => zlib.createZstdDecompress()],
]);
const normal = (encoding: string) => encoding.trim().toLowerCase();
const isPlain = (encoding: string | undefined) =>
  encoding === undefined || normal(encoding) === "" || normal(encoding) === "identity";

/** A decoder for a content-encoding; `undefined` for one we do not know, or none. */
export const decoder = (encoding: string): Decoder | undefined => decoders.get(normal(encoding))?.();

/** Whether an answer with this content-encoding can be read here. */
export const isReadable = (encoding: string | undefined): boolean =>
  isPlain(encoding) || decoders.has(normal(encoding ?? ""));

/** How much may wait in a decoder, and come out of it, before watching is given up: a bomb is not our business. */
const waitingBytes = 16 * 1024 * 1024;
const decodedBytes = 256 * 1024 * 1024;

export interface TapOptions {
  readonly reader: AnswerReader;
  /** The answer's content-encoding; `undefined` for plain bytes. */
  readonly encoding: string | undefined;
  /** A reader that throws is counted here, once, and then left alone. */
  readonly failed: (error: unknown) => void;
}

/** A tap over one reader. */
export const tap = (options: TapOptions): Tap =>
  options.encoding === undefined || isPlain(options.encoding) ? new PlainTap(options) : new DecodingTap(options);

/** Shows bytes to the reader as they are. */
class PlainTap implements Tap {
  readonly #reader: AnswerReader;
  readonly #failed: (error: unknown) => void;
  #broken = false;

  constructor({ reader, failed }: TapOptions) {
    this.#reader = reader;
    this.#failed = failed;
  }

  see(chunk: Buffer): void {
    if (this.#broken) return;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#breaks(error);
    }
  }

  get sawToken(): boolean {
    return this.#reader.sawToken;
  }

  decoded(then: () => void): void {
    then();
  }

  finish(): AnswerFacts | undefined {
    if (this.#broken) return undefined;
    try {
      return this.#reader.finish();
    } catch (error) {
      this.#breaks(error);
      return undefined;
    }
  }

  #breaks(error: unknown): void {
    this.#broken = true;
    this.#failed(error);
  }
}

/** Shows the reader what comes out of a decoder. */
class DecodingTap extends PlainTap {
  readonly #decode: Decoder | undefined;

  constructor(options: TapOptions) {
    super(options);
    const decode = decoder(options.encoding ?? "");
    this.#decode = decode;
    let length = 0;
    decode?.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > decodedBytes) decode.destroy();
      else super.see(chunk);
    });
    // A cut or false encoding: what was decoded so far still counts.
    decode?.on("error", () => decode.destroy());
  }

  override see(chunk: Buffer): void {
    const decode = this.#decode;
    if (!decode || decode.destroyed) return;
    if (decode.writableLength > waitingBytes) decode.destroy();
    else decode.write(chunk);
  }

  override decoded(then: () => void): void {
    const decode = this.#decode;
    if (!decode || decode.destroyed) {
      then();
      return;
    }
    decode.once("close", then);
    decode.end();
  }
}

/** What is left of a tap whose answer was judged before it went out. */
export class SpentTap implements Tap {
  readonly sawToken = false;
  readonly #facts: AnswerFacts;

  constructor(facts: AnswerFacts) {
    this.#facts = facts;
  }

  see(): void {}

  decoded(then: () => void): void {
    then();
  }

  finish(): AnswerFacts {
    return this.#facts;
  }
}
