// One try at one backend: from taking a connection to the end of its answer, with every way that it can end.
import type { Readable } from "node:stream";
import type { ExchangeDraft, OpenAttempt } from "../instrumentation/index.ts";
import { attemptFailure, inWords } from "./attempt-failure.ts";
import type { Timeouts } from "./config/config.ts";
import { ClientLeft, type FailureKind } from "./errors.ts";
import type { Asker } from "./http1/asker.ts";
import type { Connection } from "./http1/connection.ts";
import type { AnswerHead } from "./http1/head-parser.ts";
import { type ReceivedHead, receivedHead } from "./received-head.ts";
import type { Transport } from "./transport.ts";

/** How an attempt ended, for the forwarder to decide what comes next. */
export type Ending =
  /** The answer went to the client, to its last byte. */
  | { readonly kind: "answered" }
  /** The answer was kept back, whole. */
  | { readonly kind: "held"; readonly answer: HeldAnswer }
  /** `stale`: a reused connection died before any answer, so that a fresh one may do. */
  | { readonly kind: "failed"; readonly failure: FailureKind; readonly stale: boolean; readonly detail: string }
  /** We cut it off because the client left or the gateway is going down. */
  | { readonly kind: "cancelled" };

export interface HeldAnswer {
  readonly head: ReceivedHead;
  readonly body: Buffer;
  /** There was more of it than is kept. */
  readonly isCut: boolean;
}

/** Where an answer's parts go as they come. */
export interface AnswerSink {
  /**
   * True when the answer is to be kept back instead of being sent on. Asked again with `tooLarge` when more comes than
   * can be kept; if it is still to be kept back, the rest is thrown away.
   */
  head(received: ReceivedHead, flow: Flow, tooLarge: boolean): boolean;
  data(chunk: Buffer): void;
  end(rawTrailers: readonly string[]): void;
}

/** Back-pressure towards the backend. */
export interface Flow {
  pause(): void;
  resume(): void;
}

export interface AttemptOptions {
  readonly transport: Transport;
  readonly connection: Connection;
  readonly timeouts: Timeouts;
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  /** Let go of when an answer begins that is sent on: it may stream for minutes. */
  body: Buffer | Readable | null;
  readonly draft: ExchangeDraft;
  readonly open: OpenAttempt;
  readonly sink: AnswerSink;
  readonly now: () => number;
}

/** Answers kept back are error answers; a larger one is cut here. */
const heldBytes = 64 * 1024;

/** Starts the attempt. `ended` never rejects. `cancel` ends it at once, wherever it stands. */
export class Attempt implements Asker, Flow {
  readonly ended: Promise<Ending>;
  readonly #options: AttemptOptions;
  #resolve: (ending: Ending) => void = () => {};
  #cancelled: "client" | "total" | "connect" | undefined;
  #done = false;
  #held: Buffer[] | undefined;
  #heldLength = 0;
  /** Of an answer that is kept back. */
  #head: ReceivedHead | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connecting: NodeJS.Timeout | undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const { transport, connection, timeouts, method, path, headers, body } = options;
    const { total, connect, firstByte, idle } = timeouts;
    const usual = transport.backend.timeouts;
    if (total > 0) this.#timer = setTimeout(() => this.#cut("total"), total * 1000);
    // A longer one than the connection's own is of no use.
    if (connect > 0 && (connect < usual.connect || usual.connect === 0) && !connection.connected) {
      this.#connecting = setTimeout(() => this.#cut("connect"), connect * 1000);
    }
    connection.send({ method, path, headers, body }, this, { firstByte: firstByte * 1000, idle: idle * 1000 });
  }

  cancel(): void {
    this.#cut("client");
  }

  // Whoever reads the answer may ask for either after its end, when the connection serves another.

  pause(): void {
    if (!this.#done) this.#options.connection.pause();
  }

  resume(): void {
    if (!this.#done) this.#options.connection.resume();
  }

  #cut(why: "client" | "total" | "connect"): void {
    if (this.#done || this.#cancelled !== undefined) return;
    this.#cancelled = why;
    this.#options.connection.destroy(new Error("cancelled"));
  }

  #finish(ending: Ending): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#connecting) clearTimeout(this.#connecting);
    const { open, transport, connection, now } = this.#options;
    open.endedAt = now();
    transport.release(connection);
    this.#resolve(ending);
  }

  asking(): void {
    if (this.#connecting) clearTimeout(this.#connecting);
    const { draft, open, now, body } = this.#options;
    open.connectedAt = now();
    // A body that is still arriving from the client is the client's time, not the backend's.
    const isWhole = body === null || Buffer.isBuffer(body) || draft.isReceived;
    draft.enter(isWhole ? "firstByte" : "receive", open.connectedAt);
  }

  head(received: AnswerHead): void {
    const { draft, open, sink, now } = this.#options;
    open.firstByteAt = now();
    open.status = received.status;
    draft.enter("stream", open.firstByteAt);
    const head = receivedHead(received);
    if (head.requestId !== undefined) open.upstreamRequestId = head.requestId.slice(0, 128);
    if (sink.head(head, this, false)) {
      this.#held = [];
      this.#head = head;
    } else this.#options.body = null;
  }

  data(chunk: Buffer): void {
    const { sink } = this.#options;
    if (this.#held === undefined) {
      sink.data(chunk);
      return;
    }
    const held = this.#held;
    if (this.#heldLength < heldBytes) held.push(chunk);
    this.#heldLength += chunk.length;
    if (this.#heldLength < heldBytes || this.#heldLength - chunk.length >= heldBytes) return;
    if (this.#head === undefined || sink.head(this.#head, this, true)) return;
    this.#options.body = null;
    this.#held = undefined;
    this.#head = undefined;
    for (const part of held) sink.data(part);
  }

  whole(trailers: readonly string[]): void {
    if (this.#held !== undefined && this.#head !== undefined) {
      const body = Buffer.concat(this.#held);
      this.#finish({ kind: "held", answer: { head: this.#head, body, isCut: body.length < this.#heldLength } });
      return;
    }
    this.#options.sink.end(trailers);
    this.#finish({ kind: "answered" });
  }

  failed(error: Error): void {
    const { open, connection } = this.#options;
    const answering = open.firstByteAt !== undefined;
    if (this.#cancelled === "client" || error instanceof ClientLeft) this.#finish({ kind: "cancelled" });
    else {
      const failure = this.#cancelled === undefined ? attemptFailure(error, answering) : timeoutOf[this.#cancelled];
      const stale = connection.reused && !answering && failure === "unreachable";
      this.#finish({ kind: "failed", failure, stale, detail: inWords(error) });
    }
  }
}

const timeoutOf = { total: "total_timeout", connect: "connect_timeout" } as const;
