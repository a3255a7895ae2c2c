// Names another model in a form while it passes: the bytes of one field's value are replaced, all others stay.
import { pipeline, type Readable, Transform, type TransformCallback } from "node:stream";

/** Where a field's value stands in a body, in bytes; `end` is the first one behind it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The same body with other bytes at that place. Either one's end or error is the other's, too. */
export function replaced(body: Readable, span: Span, text: string): Readable {
  const replacing = new Replacing(span, Buffer.from(text));
  // What is wrong with one is told by the other to whoever reads it.
  pipeline(body, replacing, () => {});
  return replacing;
}

class Replacing extends Transform {
  readonly #span: Span;
  readonly #instead: Buffer;
  #at = 0;

  constructor(span: Span, instead: Buffer) {
    super();
    this.#span = span;
    this.#instead = instead;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, callback: TransformCallback): void {
    const { start, end } = this.#span;
    const from = this.#at;
    const to = from + chunk.length;
    this.#at = to;
    if (to <= start || from >= end) {
      callback(null, chunk);
      return;
    }
    if (from < start) this.push(chunk.subarray(0, start - from));
    if (from <= start) this.push(this.#instead);
    if (to > end) this.push(chunk.subarray(end - from));
    callback();
  }
}
