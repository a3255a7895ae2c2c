// Reads an answer that is a stream of events: closely up to the first token, then cheaply, and its last events at the end.
import type { Media } from "../../instrumentation/index.ts";
import { EventCutter, type EventSink } from "../event-cutter.ts";
import { eachEvent, eventStart, mayHoldError, serverEvent } from "../sse.ts";
import { BigEvent } from "./big-event.ts";
import { type Dialect, type Draft, factsOf, type Reading } from "./dialect.ts";
import { estimatedTokens, Sample } from "./event-sample.ts";
import { EventTail } from "./event-tail.ts";
import { errorBody } from "./failure.ts";
import { jsonIn } from "./json.ts";
import type { AnswerFacts, AnswerReader } from "./receiver.ts";

/** How many of the last events are read at the end. Usage and finish stand in the last two or three. */
const lastEvents = 32;
const done = "[DONE]";
const none = Buffer.alloc(0);

export class EventAnswer implements AnswerReader, EventSink {
  readonly #dialect: Dialect;
  readonly #cutter: EventCutter = new EventCutter(this);
  sawToken = false;
  readonly #tail: EventTail;
  readonly #sample: Sample;
  #big: BigEvent | undefined = undefined;
  /** What was read on the way: errors, and everything where every event counts. */
  #found: Reading = {};
  #sawEvents = false;
  /** Past the first token, chunks are only put by, and looked at when there are several. */
  #flows = false;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
    // One piece, and not of the pool, whose slab it would keep for the life of the stream.
    const memory = dialect.everyEvent ? none : Buffer.allocUnsafeSlow(EventTail.bytes + Sample.bytes);
    this.#tail = new EventTail(memory);
    this.#sample = new Sample(memory.subarray(EventTail.bytes));
  }

  read(chunk: Buffer): void {
    if (!this.#flows) this.#cut(chunk);
    else if (!this.#tail.add(chunk)) this.#flow(chunk);
  }

  #cut(chunk: Buffer): void {
    this.#cutter.write(chunk);
    this.#flows = this.sawToken && this.#cutter.between && this.#dialect.everyEvent !== true;
  }

  #flow(chunk: Buffer): void {
    const tail = this.#tail;
    this.#look(tail.take());
    if (tail.addWithRoom(chunk)) return;
    // Too much to be put by: it is cut at once.
    const open = tail.cutOpen();
    if (open.length > 0) this.#cutter.write(open);
    this.#cut(chunk);
  }

  events(bytes: Buffer): void {
    this.#sawEvents = true;
    if (this.#dialect.everyEvent) {
      eachEvent(bytes, (event) => this.#take(parsed(event)));
      return;
    }
    if (!this.sawToken) {
      this.#lookForUnfinished(bytes);
      this.#lookForTokens(bytes);
    }
    this.#look(bytes);
    this.#tail.keep(bytes);
  }

  /** Looks at a run of whole events. */
  #look(events: Buffer): void {
    if (events.length === 0) return;
    if (this.sawToken) this.#sample.add(events);
    // An error in another form is found all the same where it is among the last events, as errors are.
    if (mayHoldError(events)) eachEvent(events, (event) => this.#lookForError(event));
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
    if (this.#flows) this.#look(this.#tail.takeRest());
    else if (this.#big !== undefined) this.#bigEnds();
    else if (rest.length > 0) {
      // A body that is no stream at all, e.g. JSON under the wrong content type.
      if (!this.#sawEvents && rest[0] === 0x7b) return factsOf(this.#dialect.read(jsonIn(rest.toString())), true);
      // A last event that lacks its blank line: its data counts where it is whole.
      this.events(rest);
    }
    const found = this.#readTail();
    // Its end was told of later.
    if (found.finish !== undefined) delete found.unfinished;
    const ended = found.over === true || found.error !== undefined;
    const { text } = this.#dialect;
    if (found.tokens !== undefined || text === undefined || !this.sawToken) return factsOf(found, ended);
    return factsOf(found, ended, estimatedTokens(this.#sample, text));
  }

  /** The first event comes last: a stream's first one names the role, and most often says nothing yet. */
  #lookForTokens(events: Buffer): void {
    let first: Buffer | undefined;
    eachEvent(events, (event) => {
      if (first !== undefined) return this.#lookForToken(event);
      first = event;
      return false;
    });
    if (first !== undefined && !this.sawToken) this.#lookForToken(first);
  }

  #lookForToken(event: Buffer): boolean {
    const { isToken, tokenMark } = this.#dialect;
    if (tokenMark !== undefined && event.indexOf(tokenMark) === -1) return false;
    this.sawToken = isToken(parsed(event).value);
    return this.sawToken;
  }

  /** At the beginning alone, of which nothing may be left among the last events. */
  #lookForUnfinished(events: Buffer): void {
    const { unfinishedMark } = this.#dialect;
    if (unfinishedMark === undefined || this.#found.unfinished !== undefined) return;
    if (!events.includes(unfinishedMark)) return;
    eachEvent(events, (event) => {
      this.#noteUnfinished(reading(this.#dialect, parsed(event)));
      return this.#found.unfinished !== undefined;
    });
  }

  #noteUnfinished({ unfinished }: Reading): void {
    if (unfinished !== undefined) this.#found = { ...this.#found, unfinished };
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
    if (!this.sawToken) {
      this.#noteUnfinished(this.#dialect.read(value));
      this.sawToken = this.#dialect.isToken(value);
    }
    this.#tail.keepValue(value);
  }

  /** From the last event backwards: what is said later counts. */
  #readTail(): Draft {
    const found: Draft = { ...this.#found };
    let looks = lastEvents;
    for (const events of this.#tail.entries().toReversed()) {
      if (!Buffer.isBuffer(events)) {
        fill(found, this.#dialect.read(events.value));
        continue;
      }
      for (let end = events.length; end > 0; ) {
        if (looks === 0 || (found.tokens !== undefined && found.finish !== undefined)) return found;
        const start = eventStart(events, end);
        const event = parsed(events.subarray(start, end));
        // A comment keeps the connection alive, and says nothing.
        if (event.data !== "") looks -= 1;
        fill(found, reading(this.#dialect, event));
        end = start;
      }
    }
    return found;
  }
}

/** Adds what is not known yet. */
function fill(found: Draft, more: Reading): void {
  if (found.model === undefined && more.model !== undefined) found.model = more.model;
  if (found.tokens === undefined && more.tokens !== undefined) found.tokens = more.tokens;
  if (found.media === undefined && more.media !== undefined) found.media = more.media;
  if (found.finish === undefined && more.finish !== undefined) found.finish = more.finish;
  if (found.error === undefined && more.error !== undefined) found.error = more.error;
  if (found.over === undefined && more.over !== undefined) found.over = more.over;
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
