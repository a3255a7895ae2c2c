// Cuts a stream's chunks into runs of whole server-sent events.
import { endsBlank, eventEnd, lastEventEnd } from "./sse.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Where whole events go. */
export interface EventSink {
  /** A run of one or more whole events. */
  events(bytes: Buffer): void;
  /** A piece of an event that is too big to be held; `ends` with its last piece. */
  piece(bytes: Buffer, ends: boolean): void;
}

/** Up to this many bytes are rather copied than passed on by themselves. */
const copiedBytes = 4 * 1024;

/** Cuts chunks into runs of whole events, in order. Holds no more than `limit` bytes of the event that is still open. */
export class EventCutter {
  readonly #sink: EventSink;
  readonly #limit: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #tooBig = false;
  #before: number | undefined = undefined;

  constructor(sink: EventSink, limit = 64 * 1024) {
    this.#sink = sink;
    this.#limit = limit;
  }

  /** Whether no event is open: what comes next begins one. */
  get between(): boolean {
    return this.#heldBytes === 0 && !this.#tooBig;
  }

  /** Whether the next chunk is whole events, as nearly every one is. It is done with then: it goes nowhere from here. */
  passes(chunk: Buffer): boolean {
    if (this.#heldBytes > 0 || this.#tooBig || this.#before === CR || !endsBlank(chunk)) return false;
    this.#before = LF;
    return true;
  }

  write(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.passes(chunk)) {
      this.#sink.events(chunk);
      return;
    }
    let before = this.#before;
    this.#before = chunk[chunk.length - 1];
    if (before === CR && chunk[0] === LF && this.#heldBytes === 0 && !this.#tooBig) {
      // The rest of the line end that ended the last event: it belongs to that one, not to the next.
      this.#sink.events(chunk.subarray(0, 1));
      chunk = chunk.subarray(1);
      before = undefined;
      if (chunk.length === 0) return;
    }
    const last = lastEventEnd(chunk, before);
    let start = 0;
    if (last > 0 && (this.#tooBig || this.#heldBytes > 0)) {
      // Copied together with what follows, where that is short: one run costs less than two.
      start = last <= copiedBytes && !this.#tooBig ? last : eventEnd(chunk, 0, before);
      this.#complete(chunk.subarray(0, start));
    }
    if (last > start) this.#sink.events(start === 0 && last === chunk.length ? chunk : chunk.subarray(start, last));
    if (last < chunk.length) this.#hold(last === 0 ? chunk : chunk.subarray(last));
  }

  /** The bytes of an event that nothing has ended yet; empty when there is none, or when it went out in pieces. */
  rest(): Buffer {
    return Buffer.concat(this.#held);
  }

  #complete(piece: Buffer): void {
    if (this.#tooBig) {
      this.#tooBig = false;
      this.#sink.piece(piece, true);
      return;
    }
    this.#held.push(piece);
    const events = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#sink.events(events);
  }

  #hold(bytes: Buffer): void {
    if (this.#tooBig) {
      this.#sink.piece(bytes, false);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= this.#limit) return;
    this.#tooBig = true;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const piece of held) this.#sink.piece(piece, false);
  }
}
