// Bytes that come in pieces and go on as one.

const empty = Buffer.alloc(0);

export class Gathered {
  readonly #pieces: Buffer[] = [];
  /** Of all that is there, bytes. */
  length = 0;

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** All of it, once. */
  take(): Buffer {
    const pieces = this.#pieces;
    const [only = empty] = pieces;
    const whole = pieces.length <= 1 ? only : Buffer.concat(pieces, this.length);
    // Emptied, not replaced: an old array that was promoted would keep each new one, and its pieces, alive.
    pieces.length = 0;
    this.length = 0;
    return whole;
  }
}
