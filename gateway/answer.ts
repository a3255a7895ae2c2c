// Sends a backend's answer to the client: unbuffered, with back-pressure, what arrives in one turn of the event loop as one write.
import type { ServerResponse } from "node:http";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import type { AnswerEvents } from "./answer-events.ts";
import type { AnswerHead } from "./answer-head.ts";
import type { Flow } from "./attempt.ts";
import { atEndOfTurn, type Turn } from "./end-of-turn.ts";
import { Gathered } from "./gathered.ts";
import { hangUp } from "./reply.ts";
import { endWithin, waitForClient } from "./slow-client.ts";
import { endsDone } from "./sse.ts";
import type { Decoder, Tap } from "./tap.ts";
import type { UsageFilter } from "./usage-filter.ts";
import { Withholding } from "./withholding.ts";
import type { Witness } from "./witness.ts";

export interface AnswerOptions {
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly now: () => number;
  readonly head: AnswerHead;
  /** Back-pressure towards the backend. */
  readonly flow: Flow;
  readonly events: AnswerEvents;
  readonly tap: Tap | undefined;
  /** Withholds parts of the (decoded) answer from the client. */
  readonly filter: Pick<UsageFilter, "push" | "end"> | undefined;
  /** The encoding that has to be undone before the filter. */
  readonly decode: Decoder | undefined;
  /** Nothing goes out before the first token, or the end: if the answer fails until then, another can be had. */
  readonly withheld: boolean;
  readonly witness?: Witness | undefined;
  /** A client that takes nothing for so long is hung up on; 0: never. */
  readonly stallSeconds: number;
}

/** What comes in one turn waits for its end up to here: a fast backend is read many times in one. */
const mostPending = 128 * 1024;

/** Counts what goes out, stamps the first token, and never holds more than the present turn's chunks, of which not many. */
export class Answer implements Turn {
  readonly #options: AnswerOptions;
  /** What came since the last write, as it came: not yet watched, not yet filtered. */
  readonly #pending = new Gathered();
  #withheld: Withholding | undefined;
  /** Of an answer that is over, and goes out. */
  #decided: Buffer | undefined;
  #scheduled = false;
  #ended = false;
  /** Nothing more will come, in order or not. */
  #isLast = false;
  #trailers: readonly string[] = [];
  #deaf = false;
  /** The backend broke off, so that the end of what came is not the answer's end. */
  #isCut = false;
  #unheard = 0;
  #unheardLimit = Number.POSITIVE_INFINITY;

  /** The head goes out at the end of this turn, with what came by then. */
  constructor(options: AnswerOptions) {
    this.#options = options;
    if (options.withheld) this.#withheld = new Withholding();
    if (options.decode) this.#readFrom(options.decode);
    this.#schedule();
  }

  #readFrom(decode: Decoder): void {
    decode.on("data", (chunk: Buffer) => this.#guarded(() => this.#take(chunk)));
    decode.on("end", () => this.#guarded(() => this.#last()));
    decode.on("error", (error) => {
      if (this.#deaf) return;
      this.#options.events.broke("broken_answer", error);
      this.#guarded(() => this.#sever());
    });
    decode.on("drain", () => this.#options.flow.resume());
  }

  /** For what runs on its own, where a throw would be nobody's and the client would wait for ever. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.deafen();
    this.#options.events.broke("internal", error);
    this.#options.res.destroy();
  }

  data(chunk: Buffer): void {
    const { tap, decode, flow } = this.#options;
    if (this.#deaf) {
      tap?.see(chunk);
      this.#unheard += chunk.length;
      if (this.#unheard > this.#unheardLimit) this.#options.events.tooMuch();
    } else if (decode === undefined) this.#take(chunk);
    else {
      tap?.see(chunk);
      if (!decode.write(chunk)) flow.pause();
    }
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers;
    if (this.#options.decode) return void this.#options.decode.end();
    this.#last();
    // Whoever tries again, or learns how soon it spoke, has to know before the attempt counts as answered.
    if (this.#deaf) return;
    try {
      this.#decided = this.#due();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Nobody reads any more: bytes are still watched, up to `mostBytes` of them, and no longer sent. */
  deafen(mostBytes = Number.POSITIVE_INFINITY): void {
    this.#deaf = true;
    this.#unheardLimit = mostBytes;
    this.#watched();
    this.#options.decode?.destroy();
    this.#options.flow.resume();
  }

  /** The answer broke off: the client gets what came, then a connection that ends without the answer's end. */
  cut(): void {
    const { decode } = this.#options;
    if (!decode || decode.destroyed) {
      this.#sever();
      return;
    }
    // What came may still be inside.
    this.#isCut = true;
    decode.once("close", () => this.#guarded(() => this.#sever()));
    decode.end();
  }

  #sever(): void {
    if (this.#deaf) return;
    const { res, head, decode } = this.#options;
    this.#isLast = true;
    this.#flush();
    this.#deaf = true;
    decode?.destroy();
    // To a client of HTTP/1.0 the connection's orderly end would mean that the answer is complete.
    if (res.req.httpVersion === "1.0" && head.length === undefined) res.socket?.resetAndDestroy();
    else hangUp(res);
  }

  get began(): boolean {
    return this.#options.head.sent;
  }

  #take(chunk: Buffer): void {
    this.#pending.push(chunk);
    if (this.#pending.length < mostPending) this.#schedule();
    else this.endTurn();
  }

  #last(): void {
    if (this.#isCut) return;
    this.#isLast = true;
    this.#ended = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#deaf) return;
    this.#scheduled = true;
    atEndOfTurn("answers", this);
  }

  /** @internal Sends what came. */
  endTurn(): void {
    this.#scheduled = false;
    try {
      this.#flush();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes what is pending, as one piece, and shows it to the tap: once a turn, however many chunks there were. */
  #watched(): Buffer {
    const { tap, decode } = this.#options;
    const bytes = this.#pending.take();
    if (decode === undefined && bytes.length > 0) tap?.see(bytes);
    return bytes;
  }

  /** What the client may see of it. */
  #filtered(bytes: Buffer): Buffer {
    const { filter } = this.#options;
    if (filter === undefined) return bytes;
    const seen = filter.push(bytes);
    if (!this.#isLast) return seen;
    const rest = filter.end();
    return rest.length === 0 ? seen : Buffer.concat([seen, rest]);
  }

  /** What is to go out now; `undefined` while it is withheld. */
  #due(): Buffer | undefined {
    const { tap, draft, now, events } = this.#options;
    const bytes = this.#watched();
    if (tap && draft.firstTokenAt === undefined && tap.sawToken) draft.firstTokenAt = now();
    const withheld = this.#withheld;
    if (withheld === undefined) return bytes;
    withheld.push(bytes);
    // With its first content it is an answer, however it ends.
    const isSettled = tap?.sawToken === true || withheld.isFull;
    if (!isSettled && !this.#isLast) return undefined;
    if (!isSettled && this.#ended && events.rejects()) {
      this.#deaf = true;
      return;
    }
    this.#withheld = undefined;
    // The head tells of the time for which it was kept back, too.
    draft.enter("stream", now());
    return withheld.take();
  }

  #flush(): void {
    const due = this.#deaf ? undefined : (this.#decided ?? this.#due());
    if (due === undefined) return;
    const { res, head, draft, witness, stallSeconds } = this.#options;
    const bytes = this.#filtered(due);
    draft.responseBytes += bytes.length;
    witness?.sent(bytes, this.#ended);
    if (this.#ended) {
      this.#deaf = true;
      if (!head.sent) head.write(bytes.length);
      head.trailers(this.#trailers);
      this.#options.events.whole();
      endWithin(res, bytes, stallSeconds);
      return;
    }
    if (!head.sent) {
      head.write();
      if (bytes.length === 0) res.flushHeaders();
    }
    const isTaken = bytes.length === 0 || res.write(bytes);
    if (!isTaken) waitForClient(res, this.#options.decode ?? this.#options.flow, stallSeconds);
    else if (endsDone(bytes)) this.#options.events.said();
  }
}
