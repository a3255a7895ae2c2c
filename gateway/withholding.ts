// The beginning of an answer that is kept from the client until it proves to be one.

/** An answer that is longer than this without a token in it is sent as it is. */
const mostBytes = 64 * 1024;
const empty = Buffer.alloc(0);

export class Withholding {
  readonly #kept: Buffer[] = [];
  #length = 0;

  keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#kept.push(bytes);
    this.#length += bytes.length;
  }

  get isFull(): boolean {
    return this.#length >= mostBytes;
  }

  /** All of it, once. */
  take(): Buffer {
    const [only = empty] = this.#kept;
    const bytes = this.#kept.length <= 1 ? only : Buffer.concat(this.#kept);
    this.#kept.length = 0;
    return bytes;
  }
}
