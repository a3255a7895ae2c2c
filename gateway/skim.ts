// Reads a few wanted members out of JSON that is too big to keep, while its bytes stream by in any chunks.
import { jsonIn } from "./receivers/json.ts";

/**
 * What to keep of a JSON value: `"value"` the value itself (up to 16 KB of text), `"length"` a string's length in bytes
 * as written, `"base64"` the decoded size of a base64 string in bytes; `[wanted]` each item of an array (the first
 * 256), `{ key: wanted }` members of an object. What is of another kind than expected is left out.
 */
export type Wanted = "value" | "length" | "base64" | readonly [Wanted] | { readonly [key: string]: Wanted };

const maxValueBytes = 16 * 1024;
const maxKeyBytes = 256;
const maxItems = 256;

interface Frame {
  readonly wanted: readonly [Wanted] | { readonly [key: string]: Wanted };
  readonly into: unknown[] | Record<string, unknown>;
  /** The member that comes next; unused in arrays. */
  key: string;
  expectsKey: boolean;
}

// What the bytes at hand belong to.
type Place = "between" | "key" | "string" | "container" | "container string" | "scalar" | "over";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const opens = (byte: number) => byte === 0x7b || byte === 0x5b;
const closes = (byte: number) => byte === 0x7d || byte === 0x5d;

/**
 * A skimmer gives the same as `JSON.parse` would, pruned to what is wanted. It checks no syntax: of broken JSON it
 * gives something or nothing, and never throws. Memory is bounded by the wanted values.
 */
export class Skimmer {
  readonly #root: Wanted;
  readonly #frames: Frame[] = [];
  #place: Place = "between";
  #result: unknown = undefined;
  /** Open brackets within a value that is skipped or captured whole. */
  #depth = 0;
  /** The next byte of the string is escaped. */
  #escaped = false;
  #wanted: Wanted | undefined = undefined;
  /** Text of the value or key at hand; `undefined` where it is not wanted or too long. */
  #text: Buffer[] | undefined = undefined;
  #textBytes = 0;
  #measured = 0;
  #padding = 0;

  constructor(wanted: Wanted) {
    this.#root = wanted;
  }

  /** Looks at the next bytes, in order. */
  write(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.#place !== "over") {
      if (this.#place === "between") at = this.#between(bytes, at);
      else if (this.#place === "container") at = this.#container(bytes, at);
      else if (this.#place === "scalar") at = this.#scalar(bytes, at);
      else at = this.#string(bytes, at);
    }
  }

  /** What was found; `undefined` unless the JSON value came to its end. */
  end(): unknown {
    if (this.#place === "scalar" && this.#frames.length === 0) this.#valueEnds();
    return this.isOver ? this.#result : undefined;
  }

  /** The JSON value came to its end, so far as `end` was asked. */
  get isOver(): boolean {
    return this.#place === "over";
  }

  #between(bytes: Buffer, at: number): number {
    const frame = this.#frames.at(-1);
    const byte = bytes[at] ?? 0;
    if (isSpace(byte)) return at + 1;
    if (byte === 0x2c || byte === 0x3a) {
      if (frame !== undefined) frame.expectsKey = byte === 0x2c && !Array.isArray(frame.into);
      return at + 1;
    }
    if (closes(byte)) {
      this.#frames.pop();
      this.#settle();
      return at + 1;
    }
    if (frame?.expectsKey && byte === QUOTE) {
      this.#place = "key";
      this.#startText(true);
      return at + 1;
    }
    const wanted = this.#wantedNext(frame);
    // The last of two members of one name counts, as in JSON.parse.
    if (wanted !== undefined && frame !== undefined && !Array.isArray(frame.into)) delete frame.into[frame.key];
    return this.#value(bytes, at, byte, wanted);
  }

  #wantedNext(frame: Frame | undefined): Wanted | undefined {
    if (frame === undefined) return this.#root;
    const { wanted, into, key } = frame;
    if (isList(wanted)) return (into as unknown[]).length < maxItems ? wanted[0] : undefined;
    return Object.hasOwn(wanted, key) ? wanted[key] : undefined;
  }

  #value(bytes: Buffer, at: number, byte: number, wanted: Wanted | undefined): number {
    this.#wanted = wanted;
    this.#startText(wanted === "value");
    if (byte === QUOTE) {
      this.#place = "string";
      this.#measured = 0;
      this.#padding = 0;
      this.#keep(bytes, at, at + 1);
      return at + 1;
    }
    if (!opens(byte)) {
      this.#place = "scalar";
      return this.#scalar(bytes, at);
    }
    if (typeof wanted === "object" && isList(wanted) === (byte === 0x5b)) {
      const into = isList(wanted) ? [] : {};
      this.#put(into);
      this.#frames.push({ wanted, into, key: "", expectsKey: byte === 0x7b });
      return at + 1;
    }
    this.#place = "container";
    this.#depth = 0;
    return this.#container(bytes, at);
  }

  #container(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) {
        this.#place = "container string";
        this.#keep(bytes, from, at + 1);
        return at + 1;
      }
      if (opens(byte)) this.#depth++;
      else if (closes(byte) && --this.#depth === 0) {
        this.#keep(bytes, from, at + 1);
        this.#valueEnds();
        return at + 1;
      }
    }
    this.#keep(bytes, from, bytes.length);
    return bytes.length;
  }

  #scalar(bytes: Buffer, from: number): number {
    let at = from;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === 0x2c || closes(byte) || isSpace(byte)) break;
    }
    this.#keep(bytes, from, at);
    if (at < bytes.length) this.#valueEnds();
    return at;
  }

  /** The rest of a string, up to its closing quote or the end of the bytes. */
  #string(bytes: Buffer, from: number): number {
    let at = this.#escaped ? from + 1 : from;
    this.#escaped = false;
    for (;;) {
      const quote = bytes.indexOf(QUOTE, at);
      const stop = quote === -1 ? bytes.length : quote;
      let slashes = 0;
      while (stop - slashes > at && bytes[stop - slashes - 1] === BACKSLASH) slashes++;
      const escaped = slashes % 2 === 1;
      if (quote !== -1 && escaped) {
        at = quote + 1;
        continue;
      }
      this.#keep(bytes, from, quote === -1 ? stop : stop + 1);
      if (this.#place === "string") this.#measure(bytes, from, stop);
      if (quote === -1) {
        this.#escaped = escaped;
        return stop;
      }
      if (this.#place === "container string") this.#place = "container";
      else if (this.#place === "key") this.#keyEnds();
      else this.#stringEnds();
      return stop + 1;
    }
  }

  #measure(bytes: Buffer, from: number, to: number): void {
    this.#measured += to - from;
    if (this.#wanted !== "base64") return;
    let padding = 0;
    while (to - padding > from && bytes[to - padding - 1] === 0x3d) padding++;
    this.#padding = padding === to - from ? this.#padding + padding : padding;
  }

  #stringEnds(): void {
    if (this.#wanted === "length") this.#put(this.#measured);
    if (this.#wanted === "base64") this.#put(Math.floor(((this.#measured - Math.min(2, this.#padding)) * 3) / 4));
    this.#valueEnds();
  }

  #keyEnds(): void {
    const frame = this.#frames.at(-1);
    const text = this.#text && Buffer.concat(this.#text);
    this.#place = "between";
    if (frame === undefined) return;
    frame.expectsKey = false;
    const key = text && jsonIn(`"${text.toString()}`);
    frame.key = typeof key === "string" ? key : "";
  }

  #valueEnds(): void {
    if (this.#wanted === "value" && this.#text !== undefined) this.#put(jsonIn(Buffer.concat(this.#text).toString()));
    this.#text = undefined;
    // An item that is not what was wanted keeps its place, so that the items can be counted.
    const frame = this.#frames.at(-1);
    if (frame !== undefined && Array.isArray(frame.into) && this.#wanted !== undefined) frame.into.push(undefined);
    this.#settle();
  }

  #settle(): void {
    this.#place = this.#frames.length === 0 ? "over" : "between";
  }

  #put(value: unknown): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) this.#result = value;
    else if (Array.isArray(frame.into)) frame.into.push(value);
    else frame.into[frame.key] = value;
    if (frame !== undefined && Array.isArray(frame.into)) this.#wanted = undefined;
  }

  #startText(wanted: boolean): void {
    this.#text = wanted ? [] : undefined;
    this.#textBytes = 0;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    if (this.#text === undefined || from === to) return;
    this.#textBytes += to - from;
    if (this.#textBytes > (this.#place === "key" ? maxKeyBytes : maxValueBytes)) this.#text = undefined;
    else this.#text.push(Buffer.from(bytes.subarray(from, to)));
  }
}

const isList = (wanted: Wanted): wanted is readonly [Wanted] => Array.isArray(wanted);
