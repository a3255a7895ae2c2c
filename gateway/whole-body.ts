// Reads a request's body whole, within its limit and its time.
import type { IncomingMessage } from "node:http";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import { atEndOfTurn, type Turn } from "./end-of-turn.ts";
import { ClientLeft, GatewayError } from "./errors.ts";
import type { Running } from "./passage.ts";

export interface WholeBodyOptions {
  readonly req: IncomingMessage;
  readonly draft: ExchangeDraft;
  /** Bytes. */
  readonly limit: number;
  /** The time that the client has; 0: as long as it likes. */
  readonly seconds: number;
  readonly now: () => number;
}

export const tooLarge = (limit: number): GatewayError =>
  new GatewayError(
    "body_too_large",
    `The request body is larger than the ${limit} bytes that this gateway takes here.`,
  );

/** `bytes` rejects with a GatewayError: `body_too_large`, `slow_body`, `shutting_down`; or with ClientLeft. */
export class WholeBody implements Running, Turn {
  readonly bytes: Promise<Buffer>;
  readonly #options: WholeBodyOptions;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #isWhole = false;
  #isOver = false;
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined = undefined;
  #resolve: (bytes: Buffer) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(options: WholeBodyOptions) {
    this.#options = options;
    const { req } = options;
    this.bytes = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // One for all three: it stays where it is, as to take it off would cost more than the whole body does.
    const heard = (chunk?: Buffer) => this.#heard(chunk);
    req.on("data", heard);
    req.on("end", heard);
    req.on("close", heard);
    this.#schedule();
  }

  /** A client that leaves ends its body by itself. */
  leave(): void {}

  stop(): void {
    this.#fail(new GatewayError("shutting_down"));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    atEndOfTurn("arrived", this);
  }

  /** @internal Most bodies come with the head, and are there before the turn ends: those need no timer. */
  endTurn(): void {
    this.#isScheduled = false;
    if (this.#isOver) return;
    const { seconds } = this.#options;
    if (this.#isWhole) {
      this.#isOver = true;
      this.#resolve(this.#taken());
    } else if (seconds > 0) this.#timer = setTimeout(() => this.#fail(new GatewayError("slow_body")), seconds * 1000);
  }

  /** Without a chunk it is the end, or the connection's. */
  #heard(chunk?: Buffer): void {
    if (this.#isOver || this.#isWhole) return;
    if (chunk !== undefined) this.#take(chunk);
    else if (this.#options.req.readableEnded) this.#whole();
    // An error is dear to make, and every request closes once it was read.
    else this.#fail(new ClientLeft());
  }

  #take(chunk: Buffer): void {
    const { draft, limit } = this.#options;
    this.#length += chunk.length;
    draft.requestBytes = this.#length;
    if (this.#length > limit) this.#fail(tooLarge(limit));
    else this.#chunks.push(chunk);
  }

  #whole(): void {
    const { draft, now } = this.#options;
    this.#isWhole = true;
    clearTimeout(this.#timer);
    // What is left of the turn is no time of the client's.
    draft.enter("overhead", now());
    this.#schedule();
  }

  #taken(): Buffer {
    const chunks = this.#chunks;
    const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, this.#length);
    chunks.length = 0;
    return bytes;
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#chunks.length = 0;
    this.#reject(error);
  }
}
