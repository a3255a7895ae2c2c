// What a connection and whoever sends a request over it know of each other.
import type { AnswerHead } from "./head-parser.ts";

/** Who sends a request. Told of what becomes of it, in this order; after `whole` or `failed` of nothing more. */
export interface Asker {
  /** The connection stands, and the request is about to be written. */
  asking(): void;
  head(head: AnswerHead): void;
  data(chunk: Buffer): void;
  /** The answer is complete. Trailers are flat, like fields. */
  whole(trailers: readonly string[]): void;
  failed(error: Error): void;
}

/** Milliseconds; 0: no such deadline. */
export interface Deadlines {
  /** From the request's end to its answer's head; and for a backend that takes no more of a streamed body, to take more. */
  readonly firstByte: number;
  /** From one read of the answer's body to the next. */
  readonly idle: number;
}

export const noDeadlines: Deadlines = { firstByte: 0, idle: 0 };
