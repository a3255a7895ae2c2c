// One connection to a backend: one request at a time, its answer as it comes, and every way that either can fail.
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { errors } from "undici";
import { atEndOfTurn, type Turn } from "../end-of-turn.ts";
import { AnswerParser, type AnswerParts } from "./answer-parser.ts";
import { type Asker, type Deadlines, noDeadlines } from "./asker.ts";
import { BodyPump } from "./body-pump.ts";
import type { Connect } from "./connector.ts";
import type { AnswerHead } from "./head-parser.ts";
import { type Http1Request, requestHead } from "./request-head.ts";

export interface ConnectionOptions {
  /** The backend's, for the Host header. */
  readonly host: string;
  readonly connect: Connect;
  /** Told once when it is of no use any more, whether or not it serves. */
  readonly lost: (connection: Connection) => void;
}

export class Connection implements AnswerParts, Turn {
  readonly #options: ConnectionOptions;
  readonly #parser = new AnswerParser(this);
  #socket: Socket | undefined;
  /** While it is connecting. */
  #dialled: Socket | undefined;
  /** Why it is of no use any more. */
  #end: Error | undefined;
  /** Requests that it was given, the present one included. */
  #requests = 0;
  #asker: Asker | undefined;
  /** Until it is written. */
  #request: Http1Request | undefined;
  #deadlines = noDeadlines;
  #timer: NodeJS.Timeout | undefined;
  /** It may be used again behind the present request. */
  #persists = true;
  /** While a streamed request body is being sent. */
  #pump: BodyPump | undefined;
  /** The present answer's, once its head is there, of which nothing else is kept: it may stream for minutes. */
  #framing: AnswerHead["framing"] | undefined;
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
    this.#framing = undefined;
    this.#requests += 1;
    this.#request = request;
    // What the backend sent unasked would be taken for the answer, if it were read only after the request was sent.
    if (this.#end !== undefined || this.#socket !== undefined) atEndOfTurn("requests", this);
    else this.#connect();
  }

  #connect(): void {
    const { connect } = this.#options;
    try {
      this.#dialled = connect(
        (chunk) => this.#read(chunk),
        (made) => this.#made(made),
      );
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #made(made: Socket | Error): void {
    this.#dialled = undefined;
    if (made instanceof Error) this.destroy(made);
    else if (this.#end !== undefined) made.destroy();
    else {
      this.#socket = made;
      made.on("end", () => this.#finish());
      made.on("error", (fault) => this.destroy(fault));
      made.on("close", () => this.destroy());
      atEndOfTurn("requests", this);
    }
  }

  /** @internal Sends the request, or tells that it failed: after all that came before. */
  endTurn(): void {
    const asker = this.#asker;
    const request = this.#request;
    this.#request = undefined;
    // What is left of the request before would keep this one waiting behind it.
    if (this.#end === undefined && (request || !asker) && this.#socket?.writableLength !== 0) this.destroy();
    else if (this.#end !== undefined) {
      this.#asker = undefined;
      asker?.failed(this.#end);
    } else if (asker !== undefined && request !== undefined && this.#socket !== undefined) {
      try {
        this.#send(this.#socket, request, asker);
      } catch (error) {
        this.destroy(error as Error);
      }
    }
  }

  #send(socket: Socket, request: Http1Request, asker: Asker): void {
    const { text, length, persists } = requestHead(request, this.#options.host);
    this.#persists = persists;
    asker.asking();
    // Whoever heard of it may have thought better of it.
    if (!this.connected) return;
    this.#parser.begin(request.method === "HEAD");
    const { body } = request;
    socket.cork();
    socket.write(text, "latin1");
    if (Buffer.isBuffer(body)) socket.write(body);
    socket.uncork();
    if (body === null || Buffer.isBuffer(body)) this.#wait(this.#deadlines.firstByte);
    else this.#pump = new BodyPump({ socket, body, length, sender: this });
  }

  /** The backend takes no more of the streamed body for now, which is its time, not the client's. */
  stuck(): void {
    if (this.#framing === undefined && this.#timer === undefined) this.#wait(this.#deadlines.firstByte);
  }

  /** It takes more. */
  unstuck(): void {
    if (this.#framing === undefined) this.#waitNoMore();
  }

  /** The streamed body is sent. */
  sent(): void {
    this.#pump = undefined;
    // From here on it has the whole time to answer.
    this.unstuck();
    this.stuck();
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
    // One that is still connecting might do so for ever.
    (this.#socket ?? this.#dialled)?.destroy();
    this.#options.lost(this);
    if (this.#asker !== undefined) atEndOfTurn("requests", this);
  }

  #wait(millis: number): void {
    // Whatever is told of an answer may have ended it.
    if (millis > 0 && this.#end === undefined) this.#timer = setTimeout(late, millis, this);
  }

  #waitNoMore(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @internal For the timer alone. */
  late(): void {
    this.destroy(this.#framing === undefined ? new errors.HeadersTimeoutError() : new errors.BodyTimeoutError());
  }

  #read(chunk: Buffer): void {
    try {
      this.#parser.take(chunk);
      if (this.#asker === undefined || this.#framing === undefined || this.#isPaused) return;
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
    this.#framing = head.framing;
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
    const isLeft = this.#socket?.writableLength !== 0;
    const isSent = this.#pump === undefined && (!isLeft || this.#socket instanceof TLSSocket);
    if (!isSent || !isClean || !this.#persists || this.#framing?.persists !== true) this.destroy();
    // What goes through TLS is said to be sent a turn later, even where it was answered meanwhile.
    else if (isLeft) atEndOfTurn("requests", this);
    this.resume();
    try {
      asker?.whole(trailers);
    } catch (error) {
      asker?.failed(error as Error);
    }
  }
}

const late = (connection: Connection) => connection.late();
