// Who looks on while an answer goes to the client, beside the tap: sees what the client sees, not what the backend sent.
import type { Exchange } from "../instrumentation/index.ts";
import type { ReceivedHead } from "./received-head.ts";

/** None of it throws: whatever a witness fails to do, the answer goes on. */
export interface Witness {
  /**
   * An answer begins; if one began before, that one was given up. `rewritten`: the body goes out otherwise than it came,
   * and not encoded. Gives headers that go out with it, flat, mostly none.
   */
  begins(head: ReceivedHead, rewritten: boolean): readonly string[];
  /**
   * Bytes that are about to go out, as one write; `isLast`: with them the answer is whole. They may be changed after the
   * call: what is to be kept must be copied.
   */
  sent(bytes: Buffer, isLast: boolean): void;
  /** The request is over, whatever came of it, and this is its record. Called once, off the hot path. */
  over(exchange: Exchange): void;
}

/** Two that look on. */
export class Witnesses implements Witness {
  readonly #one: Witness;
  readonly #other: Witness;

  constructor(one: Witness, other: Witness) {
    this.#one = one;
    this.#other = other;
  }

  begins(head: ReceivedHead, rewritten: boolean): readonly string[] {
    return [...this.#one.begins(head, rewritten), ...this.#other.begins(head, rewritten)];
  }

  sent(bytes: Buffer, isLast: boolean): void {
    this.#one.sent(bytes, isLast);
    this.#other.sent(bytes, isLast);
  }

  over(exchange: Exchange): void {
    this.#one.over(exchange);
    this.#other.over(exchange);
  }
}
