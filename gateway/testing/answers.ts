// Scripted answers for the fake backend: one builder whose options are the ways in which a backend can misbehave.
import type { Field } from "./http-wire.ts";
import type { Answer, Turn } from "./turn.ts";

/** Part of a body's script: bytes to send at once, milliseconds to wait, or a promise to wait for. */
export type Step = Buffer | string | number | Promise<unknown>;

export interface AnswerOptions {
  readonly status?: number;
  readonly reason?: string;
  /** As written, in this order, duplicates included. Framing fields are added by `framing`. */
  readonly headers?: readonly Field[];
  readonly body?: Buffer | string | Iterable<Step>;
  /**
   * `length`: content-length, which needs a body of known size; `chunked`: each piece is one chunk;
   * `close`: the connection's end is the body's; `none`: no framing field and no body; a number: that content-length.
   */
  readonly framing?: "length" | "chunked" | "close" | "none" | number;
  /** Sent after a chunked body. */
  readonly trailers?: readonly Field[];
  /** Written before the head: informational answers. */
  readonly before?: string;
  /** Awaited after the request was read, before anything is sent. */
  readonly delay?: number | Promise<unknown>;
  /**
   * `clean`: as the framing wants; `unterminated`: FIN without the last chunk or the missing bytes;
   * `reset`: RST instead of the end; `stall`: nothing more, until the client leaves.
   */
  readonly end?: "clean" | "unterminated" | "reset" | "stall";
  /** Answers at once, without reading the request's body. */
  readonly early?: boolean;
}

const isSteps = (body: AnswerOptions["body"]): body is Iterable<Step> =>
  typeof body === "object" && !Buffer.isBuffer(body);

const fieldLines = (fields: readonly Field[]) => fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");

/** An answer in well-formed HTTP, bent as the options say. */
export function answer(options: AnswerOptions = {}): Answer {
  const { status = 200, reason = "OK", headers = [], body = "", trailers = [], end = "clean" } = options;
  const steps: Iterable<Step> = isSteps(body) ? body : [body];
  const framing = options.framing ?? (isSteps(body) ? "chunked" : "length");
  const framed: readonly Field[] =
    framing === "chunked"
      ? [["Transfer-Encoding", "chunked"]]
      : framing === "length" && !isSteps(body)
        ? [["Content-Length", String(Buffer.byteLength(body))]]
        : typeof framing === "number"
          ? [["Content-Length", String(framing)]]
          : [];
  const head = `HTTP/1.1 ${status} ${reason}\r\n${fieldLines(headers)}${fieldLines(framed)}\r\n`;

  return async (turn) => {
    if (options.early !== true) await turn.request.readBody();
    if (options.delay !== undefined) await turn.wait(options.delay);
    await turn.send(Buffer.from((options.before ?? "") + head, "latin1"));
    for (const step of steps) {
      if (typeof step === "number" || step instanceof Promise) await turn.wait(step);
      else if (framing === "chunked") await turn.send(chunk(step));
      else if (framing !== "none") await turn.send(step);
    }
    if (end === "clean" && framing === "chunked") await turn.send(`0\r\n${fieldLines(trailers)}\r\n`);
    await finish(turn, end, framing === "close");
  };
}

async function finish(turn: Turn, end: NonNullable<AnswerOptions["end"]>, closes: boolean): Promise<void> {
  turn.cut = end !== "clean";
  if (end === "stall") await turn.wait(new Promise(() => undefined));
  if (end === "reset") await turn.reset();
  else if (closes || end === "unterminated") await turn.close();
}

/** One chunk of the chunked coding; nothing for an empty piece, which would end the body. */
export function chunk(piece: Buffer | string): Buffer {
  const bytes = Buffer.from(piece);
  if (bytes.length === 0) return bytes;
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

/** A JSON answer with content-length. */
export const json = (value: unknown, options: AnswerOptions = {}): Answer =>
  answer({
    ...options,
    headers: [["Content-Type", "application/json"], ...(options.headers ?? [])],
    body: options.body ?? JSON.stringify(value),
  });

/** An event stream, chunked; the body is events as text, or steps. */
export const eventStream = (body: NonNullable<AnswerOptions["body"]>, options: AnswerOptions = {}): Answer =>
  answer({
    framing: "chunked",
    ...options,
    headers: [["Content-Type", "text/event-stream"], ...(options.headers ?? [])],
    body,
  });

/** An error as OpenAI shapes it. */
export const errorAnswer = (status: number, message: string, options: AnswerOptions = {}): Answer =>
  json({ error: { message, type: "server_error", param: null, code: null } }, { status, reason: "Error", ...options });

/** Bytes that are sent as they are in place of an answer; then the connection ends. */
export const raw =
  (bytes: Buffer | string): Answer =>
  async (turn) => {
    await turn.request.readBody();
    turn.cut = true;
    await turn.send(bytes);
    await turn.close();
  };

/** Takes the request and says nothing, until the client leaves. */
export const silence: Answer = async (turn) => {
  await turn.request.readBody();
  turn.cut = true;
  await turn.wait(new Promise(() => undefined));
};

/** Breaks the connection in place of an answer: `reset` by RST, `close` by FIN. */
export const hangUp =
  (how: "reset" | "close"): Answer =>
  async (turn) => {
    await turn.request.readBody();
    turn.cut = true;
    await turn[how]();
  };

/** Drops an idle connection just as the next request arrives on it: RST on its head, before its body is read. */
export const dropAsTheNextArrives: Answer = async (turn) => {
  turn.cut = true;
  await turn.reset();
};

/** Refuses `stream_options` as older backends do, and answers a request without it. */
export const withoutStreamOptions =
  (otherwise: Answer): Answer =>
  async (turn) => {
    const body = (await turn.request.readBody()).toString();
    const refused = errorAnswer(400, "Unrecognized request argument supplied: stream_options");
    await (body.includes('"stream_options"') ? refused : otherwise)(turn);
  };

/** Chooses the answer by the request, once its body is there. */
export const answerBy =
  (choose: (turn: Turn) => Answer): Answer =>
  async (turn) => {
    await turn.request.readBody();
    await choose(turn)(turn);
  };

/** Every byte as a piece of its own. */
export const byteByByte = (bytes: Buffer | string): Buffer[] =>
  [...Buffer.from(bytes)].map((byte) => Buffer.from([byte]));
