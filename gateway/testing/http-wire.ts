// HTTP/1.1 as it stands on the wire: strict reading of heads and bodies, nothing normalised (RFC 9112).
import type { ByteReader } from "./byte-reader.ts";

/** A field as written: the name's case, order and repetition are kept. */
export type Field = readonly [name: string, value: string];

export interface Head {
  /** The first line, without its CRLF. */
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** The exact bytes, with the empty line. */
  readonly raw: Buffer;
}

/** How the end of a body is known. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

/** The bytes are not HTTP/1.1. */
class WireError extends Error {
  override readonly name = "WireError";
}

/** Every value of a field, in order; the name in any case. */
export const valuesOf = (fields: readonly Field[], name: string): readonly string[] =>
  fields.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);

const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/s;

/** Reads one head. Throws WireError on anything that RFC 9112 tells a sender not to write, CutOff at the end. */
export async function readHead(reader: ByteReader): Promise<Head> {
  const raw: Buffer[] = [];
  const fields: Field[] = [];
  let startLine: string | undefined;
  for (;;) {
    const bytes = await reader.line();
    raw.push(bytes);
    const line = bytes.toString("latin1").slice(0, -2);
    if (startLine === undefined) {
      if (line === "") throw new WireError("an empty line stands where a start line belongs");
      startLine = line;
      continue;
    }
    if (line === "") return { startLine, fields, raw: Buffer.concat(raw) };
    const match = field.exec(line);
    const [, name, value] = match ?? [];
    if (name === undefined || value === undefined || /[\0\r\n]/.test(value)) {
      throw new WireError(`not a header field: ${JSON.stringify(line)}`);
    }
    fields.push([name, value]);
  }
}

/** How a message says that its body ends. Throws WireError where it says so twice or unclearly. */
export function framingOf(fields: readonly Field[], otherwise: "none" | "close"): Framing {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) throw new WireError("a body's length is stated more than once");
  if (codings[0] !== undefined) {
    if (codings[0].toLowerCase() !== "chunked") throw new WireError(`transfer-encoding: ${codings[0]}`);
    return { kind: "chunked" };
  }
  if (lengths[0] === undefined) return { kind: otherwise };
  if (!/^\d+$/.test(lengths[0])) throw new WireError(`content-length: ${lengths[0]}`);
  return { kind: "length", bytes: Number(lengths[0]) };
}

/**
 * The body's bytes as they arrive, without framing; trailers are added to `trailers`.
 * Throws CutOff when the peer ends before the body does (for `close`: when it resets).
 */
export async function* bodyPieces(reader: ByteReader, framing: Framing, trailers: Field[]): AsyncGenerator<Buffer> {
  if (framing.kind === "length") yield* exactly(reader, framing.bytes);
  if (framing.kind === "close") {
    for (let piece = await reader.piece(); piece !== undefined; piece = await reader.piece()) yield piece;
    if (reader.end === "reset") await reader.exactly(1);
  }
  if (framing.kind !== "chunked") return;
  for (;;) {
    const size = (await reader.line()).toString("latin1").slice(0, -2);
    if (!/^[0-9a-f]+(;.*)?$/i.test(size)) throw new WireError(`not a chunk size: ${JSON.stringify(size)}`);
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) break;
    yield* exactly(reader, bytes);
    if ((await reader.exactly(2)).toString("latin1") !== "\r\n") throw new WireError("a chunk is longer than it says");
  }
  for (;;) {
    const line = (await reader.line()).toString("latin1").slice(0, -2);
    if (line === "") return;
    const [, name, value] = field.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new WireError(`not a trailer: ${JSON.stringify(line)}`);
    trailers.push([name, value]);
  }
}

async function* exactly(reader: ByteReader, count: number): AsyncGenerator<Buffer> {
  let missing = count;
  while (missing > 0) {
    const piece = await reader.piece(missing);
    if (piece === undefined) {
      await reader.exactly(missing);
      return;
    }
    missing -= piece.length;
    yield piece;
  }
}
