// A pull reader over a socket: pieces, lines and exact lengths, with back-pressure while nobody pulls.
import type { Socket } from "node:net";

/** How the other side stopped sending: it said so (FIN), or the connection was reset. */
export type PeerEnd = "fin" | "reset";

/** The peer stopped before what was asked for had arrived; `partial` is what did arrive. */
export class CutOff extends Error {
  readonly how: PeerEnd;
  readonly partial: Buffer;
  constructor(how: PeerEnd, partial: Buffer) {
    super(`the peer ended (${how}) after ${partial.length} of the expected bytes`);
    this.name = "CutOff";
    this.how = how;
    this.partial = partial;
  }
}

/** One consumer at a time. Reading from the socket stops while `highWater` bytes wait unread. */
export class ByteReader {
  readonly #socket: Socket;
  readonly #highWater: number;
  #waiting: Buffer[] = [];
  #length = 0;
  #end: PeerEnd | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  constructor(socket: Socket, highWater = 256 * 1024) {
    this.#socket = socket;
    this.#highWater = highWater;
    socket.on("data", (piece: Buffer) => {
      this.#waiting.push(piece);
      this.#length += piece.length;
      if (this.#length >= this.#highWater) socket.pause();
      this.#wake?.();
    });
    const ended = (how: PeerEnd) => () => {
      this.#end ??= how;
      this.#wake?.();
    };
    socket.on("end", ended("fin"));
    socket.on("error", ended("reset"));
    socket.on("close", ended("reset"));
  }

  /** How the peer ended; `undefined` while it may still send. Bytes that came before may still wait here. */
  get end(): PeerEnd | undefined {
    return this.#end;
  }

  /** Bytes that have arrived and were not yet taken. */
  get buffered(): number {
    return this.#length;
  }

  /** True once a byte can be taken, false when there will be none. */
  async more(): Promise<boolean> {
    while (this.#length === 0) {
      if (this.#end !== undefined) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return true;
  }

  /** The next bytes, at most `max`, as they arrived; `undefined` at the end. */
  async piece(max = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    if (!(await this.more())) return undefined;
    const first = this.#waiting.shift();
    if (first === undefined) return undefined;
    const taken = first.length > max ? first.subarray(0, max) : first;
    if (taken.length < first.length) this.#waiting.unshift(first.subarray(taken.length));
    this.#length -= taken.length;
    if (this.#length < this.#highWater && this.#socket.isPaused()) this.#socket.resume();
    return taken;
  }

  /** Exactly `count` bytes. Throws CutOff when the peer ends before. */
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const piece = await this.piece(missing);
      if (piece === undefined) throw new CutOff(this.#end ?? "reset", Buffer.concat(parts));
      parts.push(piece);
      missing -= piece.length;
    }
    return Buffer.concat(parts);
  }

  /** One line with its CRLF. A bare LF does not end it. Throws CutOff at the end, RangeError past `limit` bytes. */
  async line(limit = 1024 * 1024): Promise<Buffer> {
    let held = Buffer.alloc(0);
    for (;;) {
      const piece = await this.piece();
      if (piece === undefined) throw new CutOff(this.#end ?? "reset", held);
      const from = Math.max(0, held.length - 1);
      held = Buffer.concat([held, piece]);
      const at = held.indexOf("\r\n", from);
      if (at >= 0) {
        this.#putBack(held.subarray(at + 2));
        return held.subarray(0, at + 2);
      }
      if (held.length > limit) throw new RangeError(`a line is longer than ${limit} bytes`);
    }
  }

  #putBack(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#waiting.unshift(rest);
    this.#length += rest.length;
  }
}
