// Server-sent events as bytes: where one ends, and what it says.
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

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
export function eventEnd(bytes: Buffer, from = 0, before?: number): number {
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

/** Whether the bytes end with a blank line, as they do after a whole event. Lone CRs are left out: an LF may follow. */
export function endsBlank(bytes: Buffer): boolean {
  const { length } = bytes;
  if (bytes[length - 1] !== LF) return false;
  const before = bytes[length - 2];
  return before === LF || (before === CR && endsEvent(bytes[length - 3], CR));
}

const CLOSING = 0x5d;

/** Whether the bytes end with the whole event by which OpenAI's streams say that they are over. */
export function endsDone(bytes: Buffer): boolean {
  const { length } = bytes;
  if (bytes[length - 3] !== CLOSING && bytes[length - 5] !== CLOSING) return false;
  return /(?:^|[\r\n])data: ?\[DONE\](?:\n\n|\r\n\r\n)$/.test(bytes.toString("latin1", Math.max(0, length - 24)));
}

/** One past the last blank line; 0 when there is none. `before` as in `eventEnd`. */
export function lastEventEnd(bytes: Buffer, before?: number): number {
  if (endsBlank(bytes)) return bytes.length;
  if (bytes.indexOf(CR) === -1) {
    const end = plainStart(bytes, bytes.length - 1);
    if (end > 0) return end;
  } else {
    for (let at = bytes.length - 2; at >= 0; at--) if (endsEvent(bytes[at], bytes[at + 1])) return past(bytes, at + 1);
  }
  return endsEvent(before, bytes[0]) ? past(bytes, 0) : 0;
}

/** One past the last blank line that ends at `last` or before it, where lines end in LF alone; 0 when there is none. */
function plainStart(bytes: Buffer, last: number): number {
  for (let at = last; at > 0; at--) {
    at = bytes.lastIndexOf(LF, at);
    if (at < 1) return 0;
    if (bytes[at - 1] === LF) return at + 1;
  }
  return 0;
}

/** Where the event that ends at `end` begins. */
export function eventStart(bytes: Buffer, end: number): number {
  let at = end - 1;
  while (at >= 0 && (bytes[at] === LF || bytes[at] === CR)) at--;
  if (bytes.indexOf(CR) === -1) return plainStart(bytes, at);
  for (; at > 0; at--) if (endsEvent(bytes[at - 1], bytes[at])) return past(bytes, at);
  return 0;
}

/** Calls `look` with each event of a run of whole events, in order, until it returns true. */
export function eachEvent(events: Buffer, look: (event: Buffer) => boolean | undefined): void {
  const next = endsIn(events);
  for (let start = 0; start < events.length; ) {
    const end = next(events, start);
    if (look(events.subarray(start, end)) === true) return;
    start = end;
  }
}

/** Finds where the event that begins at `start` ends, at the latest where the bytes end. */
export type EndFinder = (events: Buffer, start: number) => number;

/** The quickest finder for this run of events. */
export const endsIn = (events: Buffer): EndFinder => (events.indexOf(CR) === -1 ? plainEventEnd : anyEventEnd);

const plainEventEnd: EndFinder = (events, start) => orLast(events, plainEnd(events, start));
const anyEventEnd: EndFinder = (events, start) => orLast(events, anyEnd(events, start));
const orLast = (events: Buffer, found: number) => (found === -1 ? events.length : found);

const startsWithData = (bytes: Buffer) =>
  bytes[0] === 0x64 && bytes[1] === 0x61 && bytes[2] === 0x74 && bytes[3] === 0x61 && bytes[4] === 0x3a;

/**
 * Whether an event of this run may be an error by how its lines begin: `event: error` or `data: {"error"`. What a user
 * or a model wrote cannot look so, since in JSON it has no line ends. Cheap; says true too often rather than too seldom.
 */
export function mayHoldError(events: Buffer): boolean {
  const { length } = events;
  let cr = events.indexOf(CR);
  for (let at = 0; at < length; ) {
    if (events[at] === 0x65 ? namesError(events, at) : startsWithError(events, at)) return true;
    if (cr !== -1 && cr < at) cr = events.indexOf(CR, at);
    const lf = events.indexOf(LF, at);
    if (cr !== -1 && (lf === -1 || cr < lf)) at = cr + 1;
    else if (lf === -1) return false;
    else at = events[lf + 1] === LF ? lf + 2 : lf + 1;
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
