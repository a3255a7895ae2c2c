// Picks the reader for an answer: by its head, or where that cannot be believed, by its first byte.
import type { Dialect } from "./dialect.ts";
import { EventAnswer } from "./event-answer.ts";
import { JsonAnswer } from "./json-answer.ts";
import type { AnswerFacts, AnswerHead, AnswerReader, RequestFacts } from "./receiver.ts";

/** First bytes of a stream of events: `data`, `event`, `id`, `retry`, a comment, or a byte order mark. */
const eventStarts = new Set([0x64, 0x65, 0x69, 0x72, 0x3a, 0xef]);

/** Reads JSON or events in the family's dialect. */
export function answerReader(dialect: Dialect, head: AnswerHead, request: RequestFacts): AnswerReader {
  if (head.contentType === "text/event-stream") return new EventAnswer(dialect);
  if (head.status < 300 && (head.streamed || request.streamed)) return new Undecided(dialect, head);
  return new JsonAnswer(dialect, head);
}

/** A stream was asked for and something else is announced: what it is shows in its first byte. */
class Undecided implements AnswerReader {
  readonly #dialect: Dialect;
  readonly #head: AnswerHead;
  #reader: AnswerReader | undefined = undefined;

  constructor(dialect: Dialect, head: AnswerHead) {
    this.#dialect = dialect;
    this.#head = head;
  }

  read(chunk: Buffer): void {
    const [first] = chunk;
    if (first === undefined) return;
    this.#reader ??= eventStarts.has(first)
      ? new EventAnswer(this.#dialect)
      : new JsonAnswer(this.#dialect, this.#head);
    this.#reader.read(chunk);
  }

  get sawToken(): boolean {
    return this.#reader?.sawToken === true;
  }

  finish(): AnswerFacts {
    return this.#reader?.finish() ?? { ended: false };
  }
}

/** An answer that says nothing worth metering but, where it failed, its error. */
export function plainReader(head: AnswerHead): AnswerReader {
  return head.status >= 400 ? new JsonAnswer(silent, head) : unread;
}

const silent: Dialect = { read: () => ({}), isToken: () => false, wanted: { error: "value" } };

const unread: AnswerReader = { read() {}, sawToken: false, finish: () => ({ ended: true }) };
