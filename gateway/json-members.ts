// Where the members of a JSON object stand in its bytes, so that one can be changed and all else stays as it was.

/** A member's name, and where its value stands: bytes `start` up to, not including, `end`. */
export interface Member {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** An object in JSON bytes: its members in order, and where its closing brace stands. */
export interface ObjectPlace {
  readonly members: readonly Member[];
  readonly close: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * The object that begins at or after `from`, white space aside; `undefined` where there stands something else or the
 * object does not end. Expects valid JSON: of anything else it may give nonsense, but ends and never throws.
 */
export function objectAt(bytes: Buffer, from = 0): ObjectPlace | undefined {
  let at = afterSpace(bytes, from);
  if (bytes[at] !== 0x7b) return undefined;
  const members: Member[] = [];
  at = afterSpace(bytes, at + 1);
  while (at < bytes.length && bytes[at] !== 0x7d) {
    if (bytes[at] !== QUOTE) return undefined;
    const nameEnd = stringEnd(bytes, at);
    const colon = afterSpace(bytes, nameEnd);
    if (bytes[colon] !== 0x3a) return undefined;
    const start = afterSpace(bytes, colon + 1);
    const end = valueEnd(bytes, start);
    members.push({ name: nameOf(bytes, at, nameEnd), start, end });
    at = afterSpace(bytes, end);
    if (bytes[at] === 0x2c) at = afterSpace(bytes, at + 1);
  }
  return at < bytes.length ? { members, close: at } : undefined;
}

/** A list in JSON bytes: where each element stands, and where its brackets do. */
export interface ListPlace {
  readonly elements: readonly Omit<Member, "name">[];
  readonly open: number;
  readonly close: number;
}

/** The list that begins at or after `from`, as `objectAt` finds objects. */
export function listAt(bytes: Buffer, from = 0): ListPlace | undefined {
  const open = afterSpace(bytes, from);
  if (bytes[open] !== 0x5b) return undefined;
  const elements: Omit<Member, "name">[] = [];
  let at = afterSpace(bytes, open + 1);
  while (at < bytes.length && bytes[at] !== 0x5d) {
    const end = valueEnd(bytes, at);
    if (end === at) return undefined;
    elements.push({ start: at, end });
    at = afterSpace(bytes, end);
    if (bytes[at] === 0x2c) at = afterSpace(bytes, at + 1);
  }
  return at < bytes.length ? { elements, open, close: at } : undefined;
}

function nameOf(bytes: Buffer, start: number, end: number): string {
  const written = bytes.toString("utf8", start, end);
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

function afterSpace(bytes: Buffer, at: number): number {
  while (isSpace(bytes[at])) at++;
  return at;
}

/** One past the closing quote of the string that begins at `start`. */
export function stringEnd(bytes: Buffer, start: number): number {
  for (let at = start + 1; ; ) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote === -1) return bytes.length;
    let slashes = 0;
    while (quote - slashes > at && bytes[quote - slashes - 1] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function valueEnd(bytes: Buffer, start: number): number {
  if (bytes[start] === QUOTE) return stringEnd(bytes, start);
  let depth = 0;
  for (let at = start; at < bytes.length; ) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      continue;
    }
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return at;
    at++;
  }
  return bytes.length;
}
