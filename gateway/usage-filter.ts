// Asks a stream for its usage where the client did not, and keeps the event that comes of it from the client.
import { EventCutter, type EventSink } from "./event-cutter.ts";
import { objectAt } from "./json-members.ts";
import { jsonIn, listIn, objectIn } from "./receivers/json.ts";
import { spliced } from "./rewrite/splice.ts";
import { endsIn, serverEvent } from "./sse.ts";

const option = '"stream_options":{"include_usage":true}';
const inner = '"include_usage":true';

/**
 * The body with `stream_options.include_usage` set to true; every other byte stays, so that big numbers, white space
 * and doubled keys reach the backend as the client wrote them. Gives `body` itself where it asks already, or is no JSON
 * object. Takes bytes that `JSON.parse` has taken.
 */
export function askForUsage(body: Buffer): Buffer {
  // Most bodies name no such option, and a look at the end is all that it takes.
  if (body.indexOf("stream_options") === -1 && body.indexOf("\\u") === -1) return appended(body);
  const request = objectAt(body);
  if (request === undefined) return body;
  const given = request.members.findLast(({ name }) => name === "stream_options");
  if (given === undefined) return spliced(body, request.close, request.close, comma(request.members.length) + option);
  const options = objectAt(body.subarray(0, given.end), given.start);
  if (options === undefined) return spliced(body, given.start, given.end, `{${inner}}`);
  const asked = options.members.findLast(({ name }) => name === "include_usage");
  if (asked === undefined) return spliced(body, options.close, options.close, comma(options.members.length) + inner);
  const isAsked = body.toString("latin1", asked.start, asked.end) === "true";
  return isAsked ? body : spliced(body, asked.start, asked.end, "true");
}

const comma = (members: number) => (members > 0 ? "," : "");

function appended(body: Buffer): Buffer {
  const close = body.lastIndexOf(0x7d);
  let at = close - 1;
  while (at >= 0 && isSpace(body[at])) at--;
  let first = 0;
  while (isSpace(body[first])) first++;
  if (body[first] !== 0x7b || at < first) return body;
  return spliced(body, close, close, comma(at - first) + option);
}

const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Decides what of a chat or completions stream the client gets. */
export interface UsageFilter {
  /** The bytes that may go to the client now; empty while an event is still open. */
  push(chunk: Buffer): Buffer;
  /** The bytes that were still held when the stream ended. */
  end(): Buffer;
  /** The event that was withheld. */
  readonly usage: Buffer | undefined;
}

/**
 * Lets a stream through byte by byte but for the event that has usage and `"choices": []`, withheld with the blank line
 * that ends it. Holds no more than the event that is still open, up to 64 KB: a bigger one cannot be it.
 */
export function usageFilter(): UsageFilter {
  return new Filter();
}

const empty = Buffer.alloc(0);
const usageName = Buffer.from("usage");
const LF = 0x0a;
const CR = 0x0d;

class Filter implements UsageFilter, EventSink {
  readonly #cutter: EventCutter = new EventCutter(this);
  readonly #out: Buffer[] = [];
  usage: Buffer | undefined = undefined;
  /** The withheld event ended in CR: an LF that comes next is part of its last line end. */
  #lineMayEnd = false;

  push(chunk: Buffer): Buffer {
    if (this.#lineMayEnd && chunk.length > 0) {
      this.#lineMayEnd = false;
      if (chunk[0] === LF) chunk = chunk.subarray(1);
    }
    if (this.#cutter.passes(chunk)) {
      if (emptyList(chunk, 0) === -1) return chunk;
      this.events(chunk);
    } else this.#cutter.write(chunk);
    return this.#taken();
  }

  end(): Buffer {
    const rest = this.#cutter.rest();
    if (rest.length > 0) this.events(rest);
    return this.#taken();
  }

  events(bytes: Buffer): void {
    let list = emptyList(bytes, 0);
    if (list === -1) {
      this.#out.push(bytes);
      return;
    }
    const next = endsIn(bytes);
    let sent = 0;
    let start = 0;
    while (list !== -1) {
      let end = next(bytes, start);
      for (; end <= list; end = next(bytes, start)) start = end;
      const event = bytes.subarray(start, end);
      if (isUsageOnly(event)) {
        this.usage = event;
        if (start > sent) this.#out.push(bytes.subarray(sent, start));
        sent = end;
      }
      start = end;
      list = emptyList(bytes, end);
    }
    if (sent < bytes.length) this.#out.push(sent === 0 ? bytes : bytes.subarray(sent));
    else this.#lineMayEnd = bytes.at(-1) === CR;
  }

  piece(bytes: Buffer): void {
    this.#out.push(bytes);
  }

  #taken(): Buffer {
    const out = this.#out;
    const [only = empty] = out;
    const taken = out.length <= 1 ? only : Buffer.concat(out);
    // Emptied, not replaced: an old array that was promoted would keep each new one, and its chunks, alive.
    out.length = 0;
    return taken;
  }
}

/**
 * Where `[` and `]` next stand side by side, white space aside, as they must in the event that is looked for; -1 where
 * they do not. A line end between them may hide a `data:` in multi-line data, so that it counts too.
 */
function emptyList(bytes: Buffer, from: number): number {
  for (let open = bytes.indexOf(0x5b, from); open !== -1; open = bytes.indexOf(0x5b, open + 1)) {
    let at = open + 1;
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
    if (bytes[at] === 0x5d || bytes[at] === LF || bytes[at] === CR) return open;
  }
  return -1;
}

/** Whether an event that holds an empty list has usage and nothing else for the client. */
function isUsageOnly(event: Buffer): boolean {
  if (event.indexOf(usageName) === -1) return false;
  const said = objectIn(jsonIn(serverEvent(event).data));
  if (said === undefined || !Array.isArray(said.choices) || listIn(said.choices).length > 0) return false;
  // An error is never withheld, whatever stands beside it.
  return objectIn(said.usage) !== undefined && !said.error;
}
