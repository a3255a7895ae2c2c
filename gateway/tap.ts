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
export function tap({ reader, encoding, failed }: TapOptions): Tap {
  let broken = false;
  const guard = (act: () => void) => {
    if (broken) return;
    try {
      act();
    } catch (error) {
      broken = true;
      failed(error);
    }
  };
  const finish = () => {
    let facts: AnswerFacts | undefined;
    guard(() => {
      facts = reader.finish();
    });
    return facts;
  };

  if (encoding === undefined || isPlain(encoding)) {
    return {
      see: (chunk) => guard(() => reader.read(chunk)),
      get sawToken() {
        return reader.sawToken;
      },
      decoded: (then) => then(),
      finish,
    };
  }

  const decode = decoder(encoding);
  let length = 0;
  decode?.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > decodedBytes) decode.destroy();
    else guard(() => reader.read(chunk));
  });
  // A cut or false encoding: what was decoded so far still counts.
  decode?.on("error", () => decode.destroy());
  return {
    see(chunk) {
      if (!decode || decode.destroyed) return;
      if (decode.writableLength > waitingBytes) decode.destroy();
      else decode.write(chunk);
    },
    get sawToken() {
      return reader.sawToken;
    },
    decoded(then) {
      if (!decode || decode.destroyed) {
        then();
        return;
      }
      decode.once("close", then);
      decode.end();
    },
    finish,
  };
}
