// One connection to a backend: one request at a time, its answer as it comes, and every way that either can fail.
import type { Socket } from "node:net";
import { errors } from "undici";
import { atEndOfTurn, type Turn } from "../end-of-turn.ts";
import { AnswerParser, type AnswerParts } from "./answer-parser.ts";
import { BodyPump } from "./body-pump.ts";
import type { Connect } from "./connector.ts";
import type { AnswerHead } from "./head-parser.ts";
import { type Http1Request, requestHead } from "./request-head.ts";

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
  /** From the request's end to its answer's head. */
  readonly firstByte: number;
  /** From one read of the answer's body to the next. */
  readonly idle: number;
}

export interface ConnectionOptions {
  /** The backend's, for the Host header. */
  readonly host: string;
  readonly connect: Connect;
  /** Told once when it is of no use any more, whether or not it serves. */
  readonly lost: (connection: Connection) => void;
}

const noDeadlines: Deadlines = { firstByte: 0, idle: 0 };

export class Connection implements AnswerParts, Turn {
  readonly #options: ConnectionOptions;
  readonly #parser = new AnswerParser(this);
  #socket: Socket | undefined;
  /** Why it is of no use any more. */
  #end: Error | undefined;
  /** Requests that were written, the present one included. */
  #requests = 0;
  #asker: Asker | undefined;
  #deadlines = noDeadlines;
  #timer: NodeJS.Timeout | undefined;
  /** The request is written, but not sent yet. */
  #isHeld = false;
  /** It is a HEAD request. */
  #isHead = false;
  /** While a streamed request body is being sent. */
  #pump: BodyPump | undefined;
  /** The present answer's, once it is there. */
  #head: AnswerHead | undefined;
  #isPaused = false;
  /** For how long the backend keeps it open unused, by its last answer. */
  keepAliveSeconds: number | undefined;
  /** For the list of those that serve. */
  place = -1;
  /** For the list of those that do not. */
  idleSeconds = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** It stands, and can take a request. */
  get connected(): boolean {
    return this.#socket !== undefined && this.#end === undefined;
  }

  /** It has served before the present request, so that it may have died unnoticed. */
  get reused(): boolean {
    return this.#requests > 1;
  }

  /** Sends a request as soon as the connection stands. Whatever is wrong is told to `asker`. */
  send(request: Http1Request, asker: Asker, deadlines: Deadlines): void {
    this.#asker = asker;
    this.#deadlines = deadlines;
    this.#head = undefined;
    if (this.#end !== undefined) atEndOfTurn(this);
    else if (this.#socket !== undefined) this.#write(this.#socket, request);
    else this.#connect(request);
  }

  #connect(request: Http1Request): void {
    this.#options.connect(
      (chunk) => this.#read(chunk),
      (made) => {
        if (made instanceof Error) this.destroy(made);
        else if (this.#end !== undefined) made.destroy();
        else {
          this.#socket = made;
          made.on("end", () => this.#finish());
          made.on("error", (fault) => this.destroy(fault));
          made.on("close", () => this.destroy());
          this.#write(made, request);
        }
      },
    );
  }

  #write(socket: Socket, request: Http1Request): void {
    try {
      const { text, length } = requestHead(request, this.#options.host);
      this.#requests += 1;
      this.#asker?.asking();
      // Whoever heard of it may have thought better of it.
      if (this.#end !== undefined) return;
      this.#isHeld = true;
      this.#isHead = request.method === "HEAD";
      const { body } = request;
      socket.cork();
      socket.write(text, "latin1");
      if (Buffer.isBuffer(body)) socket.write(body);
      atEndOfTurn(this);
      if (body === null || Buffer.isBuffer(body)) this.#wait(this.#deadlines.firstByte);
      else this.#pump = new BodyPump({ socket, body, length, sender: this });
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  /** @internal Sends what was written, and tells of what failed: after the parts of the answer that came before. */
  endTurn(): void {
    if (this.#end !== undefined) {
      const asker = this.#asker;
      this.#asker = undefined;
      asker?.failed(this.#end);
    } else if (this.#isHeld) {
      this.#isHeld = false;
      this.#parser.begin(this.#isHead);
      this.#socket?.uncork();
    }
  }

  /** The streamed body is sent. */
  sent(): void {
    this.#pump = undefined;
    if (this.#head === undefined) this.#wait(this.#deadlines.firstByte);
  }

  /** Back-pressure. The time until `resume` is not the backend's. */
  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
    this.#waitNoMore();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
    if (this.#asker !== undefined) this.#wait(this.#deadlines.idle);
  }

  /** Ends it at once. Who is served fails with `error`, though not within this call. */
  destroy(error: Error = new errors.SocketError("other side closed")): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#waitNoMore();
    this.#parser.stop();
    this.#pump?.stop();
    this.#socket?.destroy();
    this.#options.lost(this);
    if (this.#asker !== undefined) atEndOfTurn(this);
  }

  #wait(millis: number): void {
    if (millis > 0) this.#timer = setTimeout(late, millis, this);
  }

  #waitNoMore(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @internal For the timer alone. */
  late(): void {
    this.destroy(this.#head === undefined ? new errors.HeadersTimeoutError() : new errors.BodyTimeoutError());
  }

  #read(chunk: Buffer): void {
    try {
      // Whatever it answers, it is not this request: which has not been seen by anybody, and may be sent elsewhere.
      if (this.#isHeld) throw new errors.SocketError("bytes that nobody asked for");
      this.#parser.take(chunk);
      if (this.#asker === undefined || this.#head === undefined || this.#isPaused) return;
      if (this.#timer !== undefined) this.#timer.refresh();
      else this.#wait(this.#deadlines.idle);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  /** The backend closes in order, which is the end of some answers. */
  #finish(): void {
    try {
      this.#parser.finish();
      this.destroy();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  /** @internal For the parser alone. */
  head(head: AnswerHead): void {
    this.#waitNoMore();
    this.#head = head;
    this.keepAliveSeconds = head.framing.keepAliveSeconds;
    this.#asker?.head(head);
  }

  /** @internal For the parser alone. */
  data(chunk: Buffer): void {
    this.#asker?.data(chunk);
  }

  /** @internal For the parser alone. */
  end(trailers: readonly string[], isClean: boolean): void {
    const asker = this.#asker;
    this.#asker = undefined;
    this.#waitNoMore();
    // What comes behind an answer is nobody's, and a backend that has not read all of a request waits for the rest.
    if (this.#head?.framing.persists !== true || !isClean || this.#pump !== undefined) this.destroy();
    this.resume();
    try {
      asker?.whole(trailers);
    } catch (error) {
      asker?.failed(error as Error);
    }
  }
}

const late = (connection: Connection) => connection.late();
