// Finds the end of each HTTP answer on one connection, as cheaply as a load generator has to.

/**
 * Understands content-length, and chunked bodies that have no bare CRLF in them (the benchmark's own have none).
 * One request is under way at a time, so an answer's end is the end of the bytes.
 */
export class AnswerEnd {
  #head = "";
  #status = 0;
  /** Body bytes still to come; -1 for a chunked body. */
  #left = 0;
  #tail = "";

  /** Takes the first `length` bytes of `bytes`. Gives the answer's status when it is complete. */
  sees(bytes: Buffer, length: number): number | undefined {
    if (this.#status !== 0) return this.#body(bytes, 0, length);
    const before = this.#head.length;
    this.#head += bytes.toString("latin1", 0, Math.min(length, 2048));
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = this.#head.slice(0, end);
    this.#head = "";
    this.#status = Number(head.slice(9, 12));
    const announced = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    this.#left = announced === undefined ? -1 : Number(announced);
    return this.#body(bytes, end + 4 - before, length);
  }

  #body(bytes: Buffer, start: number, length: number): number | undefined {
    if (this.#left >= 0) {
      this.#left -= length - start;
      if (this.#left > 0) return undefined;
    } else {
      this.#tail = (this.#tail + bytes.toString("latin1", Math.max(start, length - 5), length)).slice(-5);
      if (this.#tail !== "0\r\n\r\n") return undefined;
    }
    const status = this.#status;
    this.#status = 0;
    this.#left = 0;
    this.#tail = "";
    return status;
  }
}
