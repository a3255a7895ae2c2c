// Reads an answer that is a stream of events: closely up to the first token, then cheaply, and its last events at the end.
import type { Media } from "../../instrumentation/index.ts";
import { EventCutter, type EventSink, eachEvent, eventStart, mayHoldError, serverEvent } from "../sse.ts";
import { BigEvent } from "./big-event.ts";
import type { Dialect, Reading } from "./dialect.ts";
import { estimatedTokens, Sample } from "./event-sample.ts";
import { errorBody } from "./failure.ts";
import { jsonIn } from "./json.ts";
import type { AnswerFacts, AnswerReader } from "./receiver.ts";

/** Whole events kept for the end; the run that came last is kept whatever its size. */
const tailBytes = 4 * 1024;
/** How many of the last events are read at the end. Usage and finish stand in the last two or three. */
const lastEvents = 32;
/** However small they are, no more runs of events than this are kept. */
const tailRuns = 64;
/** Longer runs of events are kept as they are; there is room for one at most. */
const copiedBytes = 2 * 1024;
const done = "[DONE]";
/** An event that was skimmed, in its place among runs of events that are still bytes. */
interface Skimmed {
  readonly value: unknown;
}

export class EventAnswer implements AnswerReader, EventSink {
  readonly #dialect: Dialect;
  readonly #cutter: EventCutter = new EventCutter(this);
  sawToken = false;
  readonly #tail: (Buffer | Skimmed)[] = [];
  #tailBytes = 0;
  readonly #sample = new Sample();
  #big: BigEvent | undefined = undefined;
  /** What was read on the way: errors, and everything where every event counts. */
  #found: Reading = {};
  #sawEvents = false;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  read(chunk: Buffer): void {
    this.#cutter.write(chunk);
  }

  events(bytes: Buffer): void {
    this.#sawEvents = true;
    if (this.#dialect.everyEvent) {
      eachEvent(bytes, (event) => this.#take(parsed(event)));
      return;
    }
    if (!this.sawToken) eachEvent(bytes, (event) => this.#lookForToken(event));
    if (this.sawToken) this.#sample.add(bytes);
    // An error in another form is found all the same where it is among the last events, as errors are.
    if (mayHoldError(bytes)) eachEvent(bytes, (event) => this.#lookForError(event));
    // A copy, where it is short: a view would keep the memory of the whole chunk.
    this.#keep(bytes.length <= copiedBytes ? Buffer.from(bytes) : bytes, bytes.length);
  }

  piece(bytes: Buffer, ends: boolean): void {
    this.#sawEvents = true;
    this.#big ??= new BigEvent(this.#dialect.wanted);
    this.#big.write(bytes);
    if (this.sawToken) this.#sample.skip(bytes.length);
    if (ends) this.#bigEnds();
  }

  finish(): AnswerFacts {
    const rest = this.#cutter.rest();
    if (this.#big !== undefined) this.#bigEnds();
    else if (rest.length > 0) {
      // A body that is no stream at all, e.g. JSON under the wrong content type.
      if (!this.#sawEvents && rest[0] === 0x7b)
        return { ...facts(this.#dialect.read(jsonIn(rest.toString()))), ended: true };
      // A last event that lacks its blank line: its data counts where it is whole.
      this.events(rest);
    }
    const found = this.#readTail();
    const ended = found.over === true || found.error !== undefined;
    const { text } = this.#dialect;
    if (found.tokens !== undefined || text === undefined || !this.sawToken) return { ...facts(found), ended };
    const estimatedOutput = estimatedTokens(this.#sample, text);
    return { ...facts(found), ended, ...(estimatedOutput > 0 && { estimatedOutput }) };
  }

  #lookForToken(event: Buffer): boolean {
    const { isToken, tokenMark } = this.#dialect;
    if (tokenMark !== undefined && event.indexOf(tokenMark) === -1) return false;
    this.sawToken = isToken(parsed(event).value);
    return this.sawToken;
  }

  #lookForError(event: Buffer): undefined {
    if (!mayHoldError(event)) return;
    const { error } = reading(this.#dialect, parsed(event));
    if (error !== undefined) this.#found = { ...this.#found, error };
  }

  /** Reads one event where every event counts. */
  #take(event: Parsed): undefined {
    if (!this.sawToken) this.sawToken = this.#dialect.isToken(event.value);
    this.#found = summed(this.#found, reading(this.#dialect, event));
  }

  #bigEnds(): void {
    const value = this.#big?.end();
    this.#big = undefined;
    if (this.#dialect.everyEvent) {
      this.#take({ event: "", data: "", value });
      return;
    }
    if (!this.sawToken) this.sawToken = this.#dialect.isToken(value);
    this.#keep({ value }, 0);
  }

  #keep(events: Buffer | Skimmed, bytes: number): void {
    this.#tail.push(events);
    this.#tailBytes += bytes;
    while (this.#tail.length > 1) {
      const [oldest] = this.#tail;
      const size = Buffer.isBuffer(oldest) ? oldest.length : 0;
      if (this.#tailBytes - size < tailBytes && this.#tail.length <= tailRuns) return;
      this.#tail.shift();
      this.#tailBytes -= size;
    }
  }

  /** From the last event backwards: what is said later counts. */
  #readTail(): Reading {
    let found: Reading = this.#found;
    let looks = lastEvents;
    for (const events of this.#tail.toReversed()) {
      if (!Buffer.isBuffer(events)) {
        found = { ...this.#dialect.read(events.value), ...found };
        continue;
      }
      for (let end = events.length; end > 0; ) {
        if (looks-- === 0 || (found.tokens !== undefined && found.finish !== undefined)) return found;
        const start = eventStart(events, end);
        found = { ...reading(this.#dialect, parsed(events.subarray(start, end))), ...found };
        end = start;
      }
    }
    return found;
  }
}

interface Parsed {
  readonly event: string;
  readonly data: string;
  /** The data's JSON; `undefined` where it is none. */
  readonly value: unknown;
}

function parsed(bytes: Buffer): Parsed {
  const { event, data } = serverEvent(bytes);
  return { event, data, value: data === "" || data === done ? undefined : jsonIn(data) };
}

function reading(dialect: Dialect, { event, data, value }: Parsed): Reading {
  if (data === done) return { over: true };
  if (value === undefined) return event === "error" ? { error: { ...(data !== "" && { message: data }) } } : {};
  const read = dialect.read(value);
  if (event !== "error" || read.error !== undefined) return read;
  return { ...read, error: errorBody(value, data) ?? {} };
}

/** Two readings as one: sizes and numbers of media add up, of all else the later counts. */
function summed(before: Reading, after: Reading): Reading {
  const both = { ...before, ...after };
  if (before.media === undefined || after.media === undefined) return both;
  const media: { -readonly [Key in keyof Media]: Media[Key] } = { ...before.media, ...after.media };
  for (const size of ["images", "imageBytes", "audioBytes"] as const) {
    const [one, other] = [before.media[size], after.media[size]];
    if (one !== undefined && other !== undefined) media[size] = one + other;
  }
  return { ...both, media };
}

function facts({ over: _, ...rest }: Reading): Omit<Reading, "over"> {
  return rest;
}
