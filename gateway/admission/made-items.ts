// Sees the items of a response on their way to the client: their ids stand for what is kept, as the response's own does.
import { EventCutter } from "../event-cutter.ts";
import type { ReceivedHead } from "../received-head.ts";
import type { Receiver } from "../receivers/receiver.ts";
import { eachEvent, serverEvent } from "../sse.ts";
import type { Witness } from "../witness.ts";
import { decoded } from "./decoded.ts";

export interface MadeItemsOptions {
  readonly receiver: Receiver;
  readonly method: string;
  /**
   * Called before the bytes that hold the id leave. Never with `isNew`: a client may have sent an item under an id of
   * its choice, which makes no item of another's its own.
   */
  readonly found: (id: string, isNew: false) => void;
  /** Told of an error of `found`. */
  readonly failed: (error: unknown) => void;
}

/** Requests that are answered with a response. */
const answers = new Set(["POST /v1/responses", "POST /v1/responses/compact", "GET /v1/responses/{id}"]);

/** What a response as JSON is at most; of a larger one the items are nobody's. */
const maxBytes = 8 * 1024 * 1024;

/** Begins every event that tells of an item: that it is there, or that it is whole. */
const itemEvent = Buffer.from("response.output_item.");

const none: readonly string[] = [];

/** Looks for items in an answer; `undefined` where such a request is answered without any. */
export function madeItems(options: MadeItemsOptions): Witness | undefined {
  return answers.has(`${options.method} ${options.receiver.path}`) ? new MadeItems(options) : undefined;
}

class MadeItems implements Witness {
  readonly #options: MadeItemsOptions;
  /** Of a stream. */
  #cutter: EventCutter | undefined;
  /** Of an answer in one piece. */
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #encoding: string | undefined;
  #isOver = true;

  constructor(options: MadeItemsOptions) {
    this.#options = options;
  }

  begins({ status, contentType, contentEncoding }: ReceivedHead, rewritten: boolean): readonly string[] {
    this.#giveUp();
    this.#encoding = rewritten ? undefined : contentEncoding?.trim().toLowerCase();
    const isPlain = this.#encoding === undefined || this.#encoding === "identity";
    const isStream = contentType === "text/event-stream";
    this.#isOver = status < 200 || status >= 300 || (isStream && !isPlain);
    this.#cutter = isStream ? new EventCutter(this) : undefined;
    return none;
  }

  sent(bytes: Buffer, isLast: boolean): void {
    if (this.#isOver) return;
    try {
      if (this.#cutter === undefined) this.#keep(bytes, isLast);
      else if (this.#cutter.passes(bytes)) this.events(bytes);
      else this.#cutter.write(Buffer.from(bytes));
    } catch (error) {
      this.#giveUp();
      this.#options.failed(error);
    }
  }

  over(): void {
    this.#giveUp();
  }

  /** @internal For the cutter alone. */
  events(run: Buffer): void {
    if (!run.includes(itemEvent)) return;
    eachEvent(run, (event) => {
      if (!event.includes(itemEvent)) return undefined;
      const said = parsed(serverEvent(event).data);
      if (String(said.type).startsWith("response.output_item.")) this.#found(said.item);
      return undefined;
    });
  }

  /** @internal For the cutter alone. An item is told of when it begins, before it is big. */
  piece(): void {}

  #keep(bytes: Buffer, isLast: boolean): void {
    this.#length += bytes.length;
    if (this.#length > maxBytes) {
      this.#giveUp();
      return;
    }
    if (bytes.length > 0) this.#chunks.push(Buffer.from(bytes));
    if (!isLast) return;
    const { output } = parsed(this.#text());
    for (const item of Array.isArray(output) ? output : []) this.#found(item);
    this.#giveUp();
  }

  /** Nothing where it cannot be unpacked, which is the backend's affair. */
  #text(): string {
    try {
      return decoded(Buffer.concat(this.#chunks), this.#encoding, maxBytes);
    } catch {
      return "";
    }
  }

  /** The container that the backend made for it, too. */
  #found(item: unknown): void {
    const { id, container_id: container, environment } = recordIn(item);
    for (const one of [id, container, recordIn(environment).container_id])
      if (typeof one === "string" && one !== "") this.#options.found(one, false);
  }

  #giveUp(): void {
    this.#isOver = true;
    this.#cutter = undefined;
    this.#chunks.length = 0;
    this.#length = 0;
  }
}

/** Nothing where it is no JSON object, or cut. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordIn(JSON.parse(text));
  } catch {
    return {};
  }
}

const recordIn = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
