// Sees an answer's ids on their way to the client: what a request has made is its maker's before the client can name it.
import { headerIn } from "../headers.ts";
import type { ReceivedHead } from "../received-head.ts";
import type { Receiver } from "../receivers/receiver.ts";
import type { Witness } from "../witness.ts";
import { decoded } from "./decoded.ts";
import { namedBeside } from "./named-beside.ts";

export interface MadeIdsOptions {
  readonly receiver: Receiver;
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  /** `isNew`: the backend has just made it; else it is only named. Called before the bytes that hold it leave. */
  readonly found: (id: string, isNew: boolean) => void;
  /** Told of an error of `found`. */
  readonly failed: (error: unknown) => void;
}

/** Which answers name ids, and where: `POST /v1/files` → its `id`. */
type Reading = "id" | "beside" | "file" | "location" | "response";

const readings: Readonly<Record<string, Reading>> = {
  "POST /v1/files": "id",
  "POST /v1/uploads": "id",
  "POST /v1/uploads/{id}/parts": "id",
  "POST /v1/uploads/{id}/complete": "file",
  "POST /v1/batches": "id",
  "GET /v1/batches/{id}": "beside",
  "POST /v1/batches/{id}/cancel": "beside",
  "POST /v1/vector_stores": "id",
  "POST /v1/vector_stores/{id}/file_batches": "id",
  "POST /v1/fine_tuning/jobs": "id",
  "GET /v1/fine_tuning/jobs/{id}": "beside",
  "POST /v1/responses": "response",
  "POST /v1/chat/completions": "response",
  "POST /v1/realtime/calls": "location",
};

/** What an answer about one thing is at most; what is larger is not looked into, and its ids are nobody's. */
const maxBytes = 256 * 1024;
/** A response says its id at its very beginning. */
const maxHeadBytes = 16 * 1024;

type Asked = Pick<MadeIdsOptions, "receiver" | "method" | "path">;

function readingOf({ receiver, method, path }: Asked): Reading | undefined {
  const known = readings[`${method} ${receiver.path}`];
  if (known !== undefined || receiver.operation !== "other") return known;
  // `POST /v1/conversations` and the like: something new of a kind that nobody here knows.
  return method === "POST" && /^\/v1\/[^/]+\/?$/.test(path) ? "id" : undefined;
}

/** Looks for ids in an answer; `undefined` where such a request is answered without any. */
export function madeIds(options: MadeIdsOptions): Witness | undefined {
  const reading = readingOf(options);
  return reading && new MadeIds(reading, options);
}

const none: readonly string[] = [];

class MadeIds implements Witness {
  readonly #reading: Reading;
  readonly #options: MadeIdsOptions;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #isOver = false;
  #encoding: string | undefined;

  constructor(reading: Reading, options: MadeIdsOptions) {
    this.#reading = reading;
    this.#options = options;
  }

  begins({ status, crossing, contentEncoding }: ReceivedHead, rewritten: boolean): readonly string[] {
    this.#giveUp();
    this.#isOver = status < 200 || status >= 300;
    if (this.#isOver) return none;
    const encoding = rewritten ? undefined : contentEncoding?.trim().toLowerCase();
    this.#encoding = encoding === "identity" || encoding === "" ? undefined : encoding;
    if (this.#reading !== "location") return none;
    const id = headerIn(crossing, "location")?.split(/[?#]/)[0]?.split("/").at(-1);
    if (id !== undefined && id !== "") this.#found(id, true);
    this.#isOver = true;
    return none;
  }

  sent(bytes: Buffer, isLast: boolean): void {
    if (this.#isOver) return;
    this.#see(bytes);
    if (isLast) this.#last();
  }

  over(): void {
    this.#giveUp();
  }

  #found(id: string, isNew: boolean): void {
    try {
      this.#options.found(id, isNew);
    } catch (error) {
      this.#options.failed(error);
    }
  }

  #see(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(Buffer.from(bytes));
    this.#length += bytes.length;
    if (this.#reading === "response" && this.#encoding === undefined) this.#seeResponse();
    else if (this.#length > maxBytes) this.#giveUp();
  }

  #last(): void {
    if (this.#isOver) return;
    try {
      const body: unknown = JSON.parse(decoded(Buffer.concat(this.#chunks), this.#encoding, maxBytes));
      if (typeof body === "object" && body !== null) this.#read(body as Readonly<Record<string, unknown>>);
    } catch {
      // No JSON, or cut: it names nothing that its maker could rely on.
    }
    this.#giveUp();
  }

  /**
   * Finds `"id": "resp_…"` in the first bytes, streamed or not: the first `id` of an answer is its own. Not as a new
   * one, which could be had from another by a backend that repeats the request's own words first.
   */
  #seeResponse(): void {
    const text = Buffer.concat(this.#chunks, Math.min(this.#length, maxHeadBytes)).toString("latin1");
    const id = /"id"\s*:\s*"([^"\\]{1,256})"/.exec(text)?.[1];
    if (id !== undefined) this.#found(id, false);
    if (id !== undefined || this.#length > maxHeadBytes) this.#giveUp();
  }

  #giveUp(): void {
    this.#isOver = true;
    this.#chunks.length = 0;
    this.#length = 0;
  }

  #read(body: Readonly<Record<string, unknown>>): void {
    const say = (id: unknown, isNew: boolean) => {
      if (typeof id === "string" && id !== "") this.#found(id, isNew);
    };
    const { file } = body;
    switch (this.#reading) {
      case "response":
        say(body.id, false);
        break;
      case "id":
        say(body.id, this.#options.receiver.operation !== "other");
        break;
      case "file":
        if (typeof file === "object" && file !== null && "id" in file) say(file.id, true);
        break;
      case "beside":
        for (const id of namedBeside(body)) say(id, false);
        break;
      case "location":
        break;
    }
  }
}
