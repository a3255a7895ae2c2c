// Reads an answer that is one JSON value: parsed whole while it is small, skimmed as it streams by when it is not.
import { Skimmer } from "../skim.ts";
import { type Dialect, factsOf } from "./dialect.ts";
import { tokensOfLength, tokensOfTexts } from "./estimate.ts";
import { errorBody } from "./failure.ts";
import { jsonIn } from "./json.ts";
import type { AnswerFacts, AnswerHead, AnswerReader } from "./receiver.ts";

/** Up to this many bytes are held until the end, so that nothing is done while the answer is on its way. */
const heldBytes = 64 * 1024;
const maxErrorCharacters = 500;

export class JsonAnswer implements AnswerReader {
  readonly #dialect: Dialect;
  readonly #head: AnswerHead;
  readonly sawToken = false;
  #held: Buffer[] = [];
  #bytes = 0;
  #skimmer: Skimmer | undefined = undefined;

  constructor(dialect: Dialect, head: AnswerHead) {
    this.#dialect = dialect;
    this.#head = head;
  }

  read(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#skimmer !== undefined) {
      this.#skimmer.write(chunk);
      return;
    }
    this.#held.push(chunk);
    if (this.#bytes <= heldBytes) return;
    this.#skimmer = new Skimmer(this.#dialect.wanted);
    for (const held of this.#held) this.#skimmer.write(held);
    this.#held = [];
  }

  finish(): AnswerFacts {
    const [only] = this.#held;
    const text = only !== undefined && this.#held.length === 1 ? only.toString() : Buffer.concat(this.#held).toString();
    const value = this.#skimmer === undefined ? jsonIn(text) : this.#skimmer.end();
    if (this.#head.status >= 400) return this.#failed(value, text);
    // What says that it is JSON, and is none, was cut short, most likely.
    const isWhole = this.#skimmer === undefined ? value !== undefined : this.#skimmer.isOver;
    const ended = isWhole || this.#head.contentType !== "application/json";
    const reading = this.#dialect.read(value);
    if (reading.tokens !== undefined || reading.error !== undefined) return factsOf(reading, ended);
    return factsOf(reading, ended, this.#estimate(value, ended));
  }

  #failed(value: unknown, text: string): AnswerFacts {
    const plain = this.#head.contentType === "text/plain" ? text.trim().slice(0, maxErrorCharacters) : "";
    const error = errorBody(value, plain);
    return { ended: true, ...(error !== undefined && { error }) };
  }

  #estimate(value: unknown, ended: boolean): number | undefined {
    const { text } = this.#dialect;
    if (text === undefined) return undefined;
    return ended && this.#skimmer === undefined ? tokensOfTexts([text(value)]) : tokensOfLength(this.#bytes);
  }
}
