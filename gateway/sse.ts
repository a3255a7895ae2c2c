// Server-sent events as bytes: where one ends, how chunks become whole events, and what one event says.
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const blankLine = Buffer.from("\n\n");

/**
 * Two line ends in a row, so that the second makes a blank line, which ends an event. Lines end in LF, CR or CRLF
 * (WHATWG HTML, "Server-sent events", §9.2.6).
 */
const endsEvent = (byte: number | undefined, next: number | undefined) =>
  (byte === LF && (next === LF || next === CR)) || (byte === CR && next === CR);

/** One past a blank line whose second line end stands at `at`. */
const past = (bytes: Buffer, at: number) => (bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1);

/**
 * One past the first blank line from `from` on; -1 when there is none.
 * `before` is the byte that came before `bytes`, where a blank line may lie across the border.
 */
function eventEnd(bytes: Buffer, from = 0, before?: number): number {
  if (from === 0 && endsEvent(before, bytes[0])) return past(bytes, 0);
  return (bytes.indexOf(CR, from) === -1 ? plainEnd : anyEnd)(bytes, from);
}

/** Where lines end in LF alone, as they nearly always do. Searching one byte is several times faster than two. */
function plainEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
  }
  return -1;
}

function anyEnd(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length - 1; at++) {
    if (endsEvent(bytes[at], bytes[at + 1])) return past(bytes, at + 1);
  }
  return -1;
}

/** One past the last blank line; 0 when there is none. `before` as in `eventEnd`. */
function lastEventEnd(bytes: Buffer, before?: number): number {
  if (bytes.indexOf(CR) === -1) {
    const at = bytes.lastIndexOf(blankLine);
    if (at !== -1) return at + 2;
  } else {
    for (let at = bytes.length - 2; at >= 0; at--) if (endsEvent(bytes[at], bytes[at + 1])) return past(bytes, at + 1);
  }
  return endsEvent(before, bytes[0]) ? past(bytes, 0) : 0;
}

/** Where the event that ends at `end` begins. */
export function eventStart(bytes: Buffer, end: number): number {
  let at = end - 1;
  while (at >= 0 && (bytes[at] === LF || bytes[at] === CR)) at--;
  if (bytes.indexOf(CR) === -1) {
    const blank = at < 0 ? -1 : bytes.lastIndexOf(blankLine, at);
    return blank === -1 ? 0 : blank + 2;
  }
  for (; at > 0; at--) if (endsEvent(bytes[at - 1], bytes[at])) return past(bytes, at);
  return 0;
}

/** Calls `look` with each event of a run of whole events, in order, until it returns true. */
export function eachEvent(events: Buffer, look: (event: Buffer) => boolean | undefined): void {
  const next = events.indexOf(CR) === -1 ? plainEnd : anyEnd;
  for (let start = 0; start < events.length; ) {
    const found = next(events, start);
    const end = found === -1 ? events.length : found;
    if (look(events.subarray(start, end)) === true) return;
    start = end;
  }
}

const startsWithData = (bytes: Buffer) =>
  bytes[0] === 0x64 && bytes[1] === 0x61 && bytes[2] === 0x74 && bytes[3] === 0x61 && bytes[4] === 0x3a;

/**
 * Whether an event of this run may be an error by how its lines begin: `event: error` or `data: {"error"`. What a user
 * or a model wrote cannot look so, since in JSON it has no line ends. Cheap; says true too often rather than too seldom.
 */
export function mayHoldError(events: Buffer): boolean {
  for (let at = 0; at < events.length; ) {
    if (events[at] === 0x65 ? namesError(events, at) : startsWithError(events, at)) return true;
    const end = events.indexOf(LF, at);
    if (end === -1) return false;
    at = events[end + 1] === LF ? end + 2 : end + 1;
  }
  return false;
}

const afterSpace = (bytes: Buffer, at: number) => {
  while (bytes[at] === SPACE) at++;
  return at;
};

const namesError = (bytes: Buffer, line: number) => /^event: ?error/.test(bytes.toString("latin1", line, line + 12));

/** A line of data whose JSON begins with a member whose name begins with `er`. */
function startsWithError(bytes: Buffer, line: number): boolean {
  const brace = afterSpace(bytes, line + 5);
  if (bytes[brace] !== 0x7b) return false;
  const quote = afterSpace(bytes, brace + 1);
  return bytes[quote] === 0x22 && bytes[quote + 1] === 0x65 && bytes[quote + 2] === 0x72;
}

/** What one event says. `data` is "" where it has none, as a comment or keep-alive. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads one event's bytes. Fields other than `event` and `data` are left out. */
export function serverEvent(bytes: Buffer): ServerEvent {
  // Nearly every event is one `data: …` line.
  if (startsWithData(bytes) && bytes.indexOf(LF) === bytes.length - 2 && bytes.indexOf(CR) === -1) {
    return { event: "", data: bytes.toString("utf8", bytes[5] === SPACE ? 6 : 5, bytes.length - 2) };
  }
  let event = "";
  const data: string[] = [];
  for (const line of bytes
    .toString()
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    if (field !== "data" && field !== "event") continue;
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    else event = value;
  }
  return { event, data: data.join("\n") };
}

/** Where whole events go. */
export interface EventSink {
  /** A run of one or more whole events. */
  events(bytes: Buffer): void;
  /** A piece of an event that is too big to be held; `ends` with its last piece. */
  piece(bytes: Buffer, ends: boolean): void;
}

/** Cuts chunks into runs of whole events, in order. Holds no more than `limit` bytes of the event that is still open. */
export class EventCutter {
  readonly #sink: EventSink;
  readonly #limit: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #tooBig = false;
  #before: number | undefined = undefined;

  constructor(sink: EventSink, limit = 64 * 1024) {
    this.#sink = sink;
    this.#limit = limit;
  }

  write(chunk: Buffer): void {
    if (chunk.length === 0) return;
    let before = this.#before;
    this.#before = chunk[chunk.length - 1];
    if (before === CR && chunk[0] === LF && this.#heldBytes === 0 && !this.#tooBig) {
      // The rest of the line end that ended the last event: it belongs to that one, not to the next.
      this.#sink.events(chunk.subarray(0, 1));
      chunk = chunk.subarray(1);
      before = undefined;
      if (chunk.length === 0) return;
    }
    const last = lastEventEnd(chunk, before);
    let start = 0;
    if (last > 0 && (this.#tooBig || this.#heldBytes > 0)) {
      start = eventEnd(chunk, 0, before);
      this.#complete(chunk.subarray(0, start));
    }
    if (last > start) this.#sink.events(start === 0 && last === chunk.length ? chunk : chunk.subarray(start, last));
    if (last < chunk.length) this.#hold(last === 0 ? chunk : chunk.subarray(last));
  }

  /** The bytes of an event that nothing has ended yet; empty when there is none, or when it went out in pieces. */
  rest(): Buffer {
    return Buffer.concat(this.#held);
  }

  #complete(piece: Buffer): void {
    if (this.#tooBig) {
      this.#tooBig = false;
      this.#sink.piece(piece, true);
      return;
    }
    this.#held.push(piece);
    const event = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#sink.events(event);
  }

  #hold(bytes: Buffer): void {
    if (this.#tooBig) {
      this.#sink.piece(bytes, false);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= this.#limit) return;
    this.#tooBig = true;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const piece of held) this.#sink.piece(piece, false);
  }
}
