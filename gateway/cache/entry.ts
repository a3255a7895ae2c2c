// An answer as the cache keeps it, and its form as bytes: the same in memory and in Redis.
import type { CacheSaved } from "../../instrumentation/index.ts";

export interface Entry {
  /** Unix milliseconds. */
  readonly storedAt: number;
  /** What crosses of the backend's head, flat. */
  readonly headers: readonly string[];
  /** As the client got it. */
  readonly body: Buffer;
  /** Where each piece of a stream ends in the body; empty for an answer that is sent at once. */
  readonly ends: readonly number[];
  /** `stop`, `length`… */
  readonly finish: string;
  readonly served?: string;
  /** What the backend counted for it. */
  readonly saved: CacheSaved;
}

type Told = Omit<Entry, "body">;

const lengthBytes = 4;

/** Length of the facts (4 bytes), the facts as JSON, the body. In memory of its own, so that nothing else is kept alive. */
export function encoded({ body, ...told }: Entry): Buffer {
  const text = JSON.stringify(told satisfies Told);
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafeSlow(lengthBytes + length + body.length);
  bytes.writeUInt32BE(length, 0);
  bytes.write(text, lengthBytes);
  body.copy(bytes, lengthBytes + length);
  return bytes;
}

/** The entry in these bytes, whose body is a view of them. Throws where they hold none. */
export function decoded(bytes: Buffer): Entry {
  const start = lengthBytes + bytes.readUInt32BE(0);
  if (start > bytes.length) throw new RangeError("a cached answer is cut short");
  const told = JSON.parse(bytes.toString("utf8", lengthBytes, start)) as Told;
  if (!Array.isArray(told.headers) || !Array.isArray(told.ends)) throw new TypeError("a cached answer is none");
  return { ...told, body: bytes.subarray(start) };
}
