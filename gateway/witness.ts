// Who looks on while an answer goes to the client, beside the tap: sees what the client sees, not what the backend sent.
import type { Exchange } from "../instrumentation/index.ts";
import type { ReceivedHead } from "./received-head.ts";

/** None of it throws: whatever a witness fails to do, the answer goes on. */
export interface Witness {
  /**
   * An answer begins; if one began before, that one was given up. `rewritten`: the body goes out otherwise than it came.
   * True where it will be looked at.
   */
  begins(head: ReceivedHead, rewritten: boolean): boolean;
  /** Bytes that go out now, as one write. They may be changed after the call: what is to be kept must be copied. */
  sent(bytes: Buffer): void;
  /** The request is over, whatever came of it, and this is its record. Called once, off the hot path. */
  over(exchange: Exchange): void;
}
