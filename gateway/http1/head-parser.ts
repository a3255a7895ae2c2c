// The head of an answer, first line and fields, checked octet by octet.
import { type Framing, framing } from "./framing.ts";
import { notHttp } from "./not-http.ts";
import { colon, cr, lf, nameOctets, space, tab, valueOctets } from "./octets.ts";

export interface AnswerHead {
  readonly status: number;
  /** Latin-1; "" where it holds what may not be written. */
  readonly reason: string;
  /** Name, value, name, value…, in order, as they were written; Latin-1. */
  readonly fields: string[];
  readonly framing: Framing;
}

const version = Buffer.from("HTTP/1.");
const zero = 0x30;
/** How many names are kept of a head. */
const mostNames = 64;

export class HeadParser {
  /**
   * Names in the head before this one. A backend sends the same ones in the same order, and a text that was seen before
   * needs not be decoded, nor hashed by whoever looks it up.
   */
  readonly #names: string[] = [];

  /** Reads the head from `at` to `end`, behind its empty line. `isHead`: it answers a HEAD request. */
  head(bytes: Buffer, at: number, end: number, isHead: boolean): AnswerHead {
    for (let i = 0; i < version.length; i += 1) if (bytes[at + i] !== version[i]) throw badFirstLine();
    const minor = (bytes[at + 7] as number) - zero;
    const status = statusAt(bytes, at + 9);
    if ((minor !== 0 && minor !== 1) || bytes[at + 8] !== space || status < 100) throw badFirstLine();
    const lineEnd = bytes.indexOf(cr, at + 12);
    // Many leave out the space where there is no reason behind it.
    if ((lineEnd > at + 12 && bytes[at + 12] !== space) || bytes[lineEnd + 1] !== lf) throw badFirstLine();
    const fields = this.fields(bytes, lineEnd + 2, end);
    return {
      status,
      reason: reasonAt(bytes, at + 13, lineEnd),
      fields,
      framing: framing(fields, { status, minor, isHead }),
    };
  }

  /**
   * Reads fields from `at` to `end`, behind the empty line: name, value, name, value…. One pass checks each octet, and
   * the text is decoded once, as a call into the decoder costs more than it decodes.
   */
  fields(bytes: Buffer, at: number, end: number): string[] {
    const fields: string[] = [];
    const last = end - 2;
    if (at >= last) return fields;
    const text = bytes.toString("latin1", at, last);
    let i = at;
    while (i < last) {
      const nameAt = i;
      while (nameOctets[bytes[i] as number] === 1) i += 1;
      if (i === nameAt || bytes[i] !== colon) throw notHttp("a field without a name");
      const nameEnd = i;
      i += 1;
      while (bytes[i] === space || bytes[i] === tab) i += 1;
      const valueAt = i;
      while (valueOctets[bytes[i] as number] === 1) i += 1;
      if (bytes[i] !== cr || bytes[i + 1] !== lf) throw notHttp("a field with a control character");
      let valueEnd = i;
      while (valueEnd > valueAt && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd -= 1;
      i += 2;
      fields.push(this.#name(text, nameAt - at, nameEnd - at, fields.length / 2));
      fields.push(text.slice(valueAt - at, valueEnd - at));
    }
    return fields;
  }

  #name(text: string, from: number, to: number, index: number): string {
    const known = this.#names[index];
    if (known !== undefined && known.length === to - from && text.startsWith(known, from)) return known;
    // A copy: a part of the text would keep alive the whole.
    const name = Buffer.from(text.slice(from, to), "latin1").toString("latin1");
    if (index < mostNames) this.#names[index] = name;
    return name;
  }
}

/**
 * Throws where the part of a head that begins at `at` cannot become one: nobody is to wait for the end of what is none.
 * `seen`: up to there it was looked through before.
 */
export function mayBecomeHead(bytes: Buffer, at: number, seen: number): void {
  const length = Math.min(version.length, bytes.length - at);
  for (let i = 0; i < length; i += 1) if (bytes[at + i] !== version[i]) throw badFirstLine();
  for (let end = bytes.indexOf(lf, seen); end >= 0; end = bytes.indexOf(lf, end + 1)) {
    if (bytes[end - 1] !== cr) throw notHttp("a line that does not end as lines do");
  }
}

const badFirstLine = () => notHttp("its first line");

/** 0 where there is none. */
function statusAt(bytes: Buffer, at: number): number {
  let status = 0;
  for (let i = at; i < at + 3; i += 1) {
    const digit = (bytes[i] as number) - zero;
    if (!(digit >= 0 && digit <= 9)) return 0;
    status = status * 10 + digit;
  }
  return status;
}

function reasonAt(bytes: Buffer, at: number, end: number): string {
  if (end <= at) return "";
  if (end - at === 2 && bytes[at] === 0x4f && bytes[at + 1] === 0x4b) return "OK";
  let isWritable = true;
  for (let i = at; i < end; i += 1) {
    // Others end the line there, and find fields behind it.
    if (bytes[i] === lf) throw badFirstLine();
    if (valueOctets[bytes[i] as number] !== 1) isWritable = false;
  }
  return isWritable ? bytes.toString("latin1", at, end) : "";
}
