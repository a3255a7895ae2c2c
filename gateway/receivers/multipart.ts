// Looks into a multipart form while its bytes go onward: the few small fields worth knowing, and how much file there is.
import type { Span } from "../rewrite/form.ts";

/**
 * What has been seen of a form so far; it may be read at any time. Looking never changes the bytes. The format: RFC 7578
 * (multipart/form-data) and RFC 2046, §5.1.1.
 */
export interface MultipartFacts {
  /** Looks at the next bytes of the body, in order; chunks may be cut anywhere. */
  write(chunk: Buffer): void;
  /** Says that the body is over. */
  end(): void;
  /** The known fields, as text of at most 256 bytes each; give them to a receiver's `readRequest`. */
  readonly fields: Readonly<Record<string, string>>;
  /** Unicode code points of the `prompt` field. */
  readonly promptCharacters: number | undefined;
  readonly files: number;
  /** Bytes of all files' contents. */
  readonly fileBytes: number;
  /** True once the form's closing boundary was seen. */
  readonly done: boolean;
  /** True where this is no well-formed form: no boundary, endless headers, or an end before the closing boundary. */
  readonly bad: boolean;
  /**
   * True where it names two models, or one once more after `pin`, or might in what cannot be read: the backend might
   * take the other one.
   */
  readonly contradicts: boolean;
  /** Where the value of `model` stands in the body; nowhere, unless it was named exactly once so far. */
  readonly modelAt: Span | undefined;
  /** From now on `model` may not be named again, not even the same. */
  pin(): void;
}

/** Fields that are kept. All others are counted as what they are and forgotten. */
const known = new Set([
  "model",
  "stream",
  "user",
  "safety_identifier",
  "response_format",
  "language",
  "n",
  "size",
  "quality",
  "background",
  "output_format",
  "purpose",
]);
const maxFieldBytes = 256;
const maxHeaderBytes = 16 * 1024;
const maxPreambleBytes = 64 * 1024;
const headersEnd = Buffer.from("\r\n\r\n");

/** Looks into a form with this content type. Never throws. */
export function multipartFacts(contentType: string): MultipartFacts {
  return new Form(boundaryIn(contentType));
}

/** The boundary that a `multipart/form-data; boundary=…` names: 1 to 70 characters (RFC 2046). */
function boundaryIn(contentType: string): string | undefined {
  if (!/^\s*multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const found = /;\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return found?.[1] ?? found?.[2];
}

type Part =
  | { readonly kind: "field"; readonly name: string; readonly chunks: Buffer[]; bytes: number; readonly start: number }
  | { readonly kind: "prompt"; characters: number }
  | { readonly kind: "file" }
  | { readonly kind: "skipped" };

class Form implements MultipartFacts {
  readonly #fields = new Map<string, string>();
  readonly #delimiter: Buffer;
  #place: "preamble" | "after boundary" | "headers" | "content" | "over";
  /** What was seen and cannot be told apart yet. Never more than a delimiter's length, or a part's headers. */
  #held: Buffer;
  #part: Part = { kind: "skipped" };
  #preamble = 0;
  /** Where the bytes begin that are looked at; the line end that is put before the first boundary is none of the body's. */
  #at = -2;
  #models = 0;
  #isPinned = false;
  modelAt: Span | undefined = undefined;
  promptCharacters: number | undefined = undefined;
  files = 0;
  fileBytes = 0;
  done = false;
  bad = false;
  contradicts = false;

  constructor(boundary: string | undefined) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
    this.#place = boundary === undefined ? "over" : "preamble";
    this.bad = boundary === undefined;
    // The first boundary may stand at the very beginning, without a line end before it.
    this.#held = Buffer.from("\r\n");
  }

  get fields(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#fields);
  }

  write(chunk: Buffer): void {
    if (this.#place === "over") return;
    let bytes: Buffer | undefined = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = empty;
    while (bytes !== undefined) {
      const rest = this.#step(bytes);
      this.#at += bytes.length - (rest ?? this.#held).length;
      bytes = rest;
    }
  }

  pin(): void {
    this.#isPinned = true;
    if (this.#models > 1) this.contradicts = true;
  }

  end(): void {
    if (!this.done) this.bad = true;
    this.#place = "over";
    this.#held = empty;
  }

  /** Takes one step and gives what is left; `undefined` when more bytes are needed. */
  #step(bytes: Buffer): Buffer | undefined {
    if (this.#place === "after boundary") return this.#afterBoundary(bytes);
    if (this.#place === "headers") return this.#headers(bytes);
    if (this.#place === "over") return undefined;
    const at = bytes.indexOf(this.#delimiter);
    if (at !== -1) {
      this.#content(bytes.subarray(0, at));
      if (this.bad) return undefined;
      this.#partEnds(this.#at + at);
      this.#place = "after boundary";
      return bytes.subarray(at + this.#delimiter.length);
    }
    // A delimiter may have begun in the last bytes.
    const sure = Math.max(0, bytes.length - this.#delimiter.length + 1);
    this.#content(bytes.subarray(0, sure));
    return this.bad ? undefined : this.#wait(bytes.subarray(sure));
  }

  #afterBoundary(bytes: Buffer): Buffer | undefined {
    const lineEnd = bytes.indexOf("\r\n");
    if (bytes[0] === 0x2d && bytes[1] === 0x2d) {
      this.done = true;
      this.#place = "over";
      return undefined;
    }
    if (lineEnd === -1) return bytes.length > maxFieldBytes ? this.#giveUp() : this.#wait(bytes);
    this.#place = "headers";
    // The line end stays, so that a part without headers is ended by the same two line ends.
    return bytes.subarray(lineEnd);
  }

  #headers(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf(headersEnd);
    if (end === -1) return bytes.length > maxHeaderBytes ? this.#giveUp() : this.#wait(bytes);
    const part = partFor(bytes.toString("utf8", 0, end), this.#at + end + headersEnd.length);
    if (part === undefined) return this.#giveUp();
    this.#part = part;
    if (this.#part.kind === "file") this.files++;
    this.#place = "content";
    return bytes.subarray(end + headersEnd.length);
  }

  #content(bytes: Buffer): void {
    const part = this.#part;
    if (this.#place === "preamble") {
      this.#preamble += bytes.length;
      if (this.#preamble > maxPreambleBytes) this.#giveUp();
    } else if (part.kind === "file") this.fileBytes += bytes.length;
    else if (part.kind === "prompt") part.characters += codePointsIn(bytes);
    else if (part.kind === "field" && part.bytes <= maxFieldBytes) {
      part.bytes += bytes.length;
      part.chunks.push(Buffer.from(bytes));
    }
  }

  #partEnds(end: number): void {
    const part = this.#part;
    if (part.kind === "prompt") this.promptCharacters = part.characters;
    if (part.kind === "field") {
      const text = Buffer.concat(part.chunks).subarray(0, maxFieldBytes).toString();
      const before = this.#fields.get(part.name);
      if (part.name === "model") {
        if (before !== undefined && (this.#isPinned || before !== text)) this.contradicts = true;
        this.#models += 1;
        this.modelAt = this.#models === 1 ? { start: part.start, end } : undefined;
      }
      this.#fields.set(part.name, text);
    }
    this.#part = { kind: "skipped" };
  }

  #wait(bytes: Buffer): undefined {
    this.#held = Buffer.from(bytes);
  }

  #giveUp(): undefined {
    this.bad = true;
    // What follows is not looked at, and may name another.
    if (this.#models > 0) this.contradicts = true;
    this.#place = "over";
    this.#held = empty;
  }
}

const empty = Buffer.alloc(0);

/** A part's Content-Disposition, with the lines that continue it. */
const dispositions = /(?:^|\r\n)content-disposition[ \t]*:(.*(?:\r\n[ \t].*)*)/gi;
/** On one line, and of parameters that every parser reads alike. */
const plainDisposition =
  /^[ \t]*form-data(?:[ \t]*;[ \t]*(?:name|filename|filename\*)[ \t]*=[ \t]*(?:"[^"\r\n]*"|[^\s;"]+))*[ \t]*;?[ \t]*$/i;
const parameters = /;\s*([a-z*]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))/gi;

/** `undefined` for a part whose name others may read otherwise. */
function partFor(headers: string, start: number): Part | undefined {
  const [found, ...more] = headers.matchAll(dispositions);
  const disposition = found?.[1] ?? "";
  if (more.length > 0 || (found !== undefined && !plainDisposition.test(disposition))) return undefined;
  const named = new Map<string, string>();
  for (const [, parameter = "", quoted, bare = ""] of disposition.matchAll(parameters)) {
    const name = parameter.toLowerCase();
    if (named.has(name)) return undefined;
    named.set(name, quoted ?? bare);
  }
  if (named.has("filename") || named.has("filename*")) return { kind: "file" };
  const field = named.get("name") ?? "";
  if (field === "prompt") return { kind: "prompt", characters: 0 };
  return known.has(field) ? { kind: "field", name: field, chunks: [], bytes: 0, start } : { kind: "skipped" };
}

/** Unicode code points of UTF-8 that may be cut anywhere: all bytes but the continuing ones. */
function codePointsIn(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if ((byte & 0xc0) !== 0x80) count++;
  return count;
}
