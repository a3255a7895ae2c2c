// The last events of a stream, in little memory: usage and finish stand in the last two or three.
import { eventStart, lastEventEnd } from "../sse.ts";

/** An event is kept, whatever its size, at least until so many bytes have come after it. */
const keptBytes = 2560;
/** What is more than is kept is room for what comes, so that there is something to do for every few events only. */
const windowBytes = 4096;
/** However small they are, no more entries than this are kept. */
const maxEntries = 32;
const none = Buffer.alloc(0);

/** An event that was skimmed, in its place among runs of events that are still bytes. */
export interface Skimmed {
  readonly value: unknown;
}

/** Bytes are copied into one small window of its own: a view would keep the memory of a whole chunk. */
export class EventTail {
  /** How much memory it wants to be given. */
  static readonly bytes: number = windowBytes;
  readonly #window: Buffer;
  #end = 0;
  /** Up to here stand whole events that were taken. */
  #taken = 0;
  /** What came before the window and has no room in it: big events, and what stands around them. */
  readonly #older: (Buffer | Skimmed)[] = [];

  constructor(memory: Buffer) {
    this.#window = memory;
  }

  /** Adds the next bytes, cut anywhere; false, and nothing is done, where there is no room. */
  add(bytes: Buffer): boolean {
    const end = this.#end + bytes.length;
    if (end > windowBytes) return false;
    this.#window.set(bytes, this.#end);
    this.#end = end;
    return true;
  }

  /** The whole events that were added since last time. Valid until something is added. */
  take(): Buffer {
    const added = this.#added();
    const length = lastEventEnd(added);
    this.#taken += length;
    return length === added.length ? added : added.subarray(0, length);
  }

  /** All that was added since last time; the last event may lack its end. */
  takeRest(): Buffer {
    const added = this.#added();
    this.#taken = this.#end;
    return added;
  }

  /** Adds bytes as `add` does, and drops the oldest events for them. */
  addWithRoom(bytes: Buffer): boolean {
    // What is kept leaves no room for these, whatever is dropped.
    if (bytes.length > windowBytes - keptBytes && this.#taken >= keptBytes) return false;
    this.#makeRoom();
    return this.add(bytes);
  }

  #makeRoom(): void {
    const surplus = this.#taken - keptBytes;
    if (surplus < 0) return;
    const from = eventStart(this.#window, surplus + 1);
    this.#window.copyWithin(0, from, this.#end);
    this.#end -= from;
    this.#taken -= from;
    this.#older.length = 0;
  }

  /** Removes the event that is still open, and gives a copy of it; empty where none is. */
  cutOpen(): Buffer {
    if (this.#end === this.#taken) return none;
    const open = owned(this.#added());
    this.#end = this.#taken;
    return open;
  }

  /** Adds a run of whole events that need not be taken. No event may be open. */
  keep(events: Buffer): void {
    if (!this.add(events) && !this.addWithRoom(events)) this.#keepLong(events);
    this.#taken = this.#end;
  }

  /** Adds an event of which no bytes were held. No event may be open. */
  keepValue(value: unknown): void {
    this.#age();
    this.#older.push({ value });
    this.#trim();
  }

  /** All that is kept, in order. */
  entries(): readonly (Buffer | Skimmed)[] {
    return [...this.#older, this.#window.subarray(0, this.#end)];
  }

  #added(): Buffer {
    return this.#window.subarray(this.#taken, this.#end);
  }

  #keepLong(events: Buffer): void {
    const surplus = events.length - keptBytes;
    let from = 0;
    if (surplus < 0) this.#age();
    else {
      this.#forget();
      from = eventStart(events, surplus + 1);
    }
    // Where the last events have no room they keep their chunk. There can be one such run at most.
    if (events.length - from > windowBytes) this.#older.push(events);
    else this.add(from === 0 ? events : events.subarray(from));
    this.#trim();
  }

  #forget(): void {
    this.#older.length = 0;
    this.#end = 0;
    this.#taken = 0;
  }

  /** Empties the window. */
  #age(): void {
    if (this.#end > 0) this.#older.push(owned(this.#window.subarray(0, this.#end)));
    this.#end = 0;
    this.#taken = 0;
  }

  #trim(): void {
    const older = this.#older;
    let after = this.#end;
    let first = older.length;
    while (first > 0 && after < keptBytes && older.length - first < maxEntries) {
      const entry = older[--first];
      if (Buffer.isBuffer(entry)) after += entry.length;
    }
    older.splice(0, first);
  }
}

function owned(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
