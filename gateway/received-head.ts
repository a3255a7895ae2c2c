// The head of a backend's answer as it came, read once: what steers the gateway, and what crosses to the client.
import { headersToClient } from "./headers.ts";

export interface ReceivedHead {
  readonly status: number;
  /** As it may be written to a client. */
  readonly statusText: string;
  /** Lower-case media type without parameters, "" when absent. */
  readonly contentType: string;
  readonly contentEncoding: string | undefined;
  readonly contentLength: string | undefined;
  readonly trailer: string | undefined;
  /** The backend's own id for the request. */
  readonly requestId: string | undefined;
  /** What crosses, flat, in order, as it was written. */
  readonly crossing: string[];
}

type RawHeaders = readonly (Buffer | string)[];

/** `raw` as undici gives it: name, value, name, value…, as bytes or text. */
export function receivedHead(status: number, statusText: string | undefined, raw: unknown): ReceivedHead {
  const flat = textHeaders(raw);
  let contentType: string | undefined;
  let contentEncoding: string | undefined;
  let contentLength: string | undefined;
  let trailer: string | undefined;
  let requestId: string | undefined;
  for (let i = 0; i + 1 < flat.length; i += 2) {
    // A switch by length first: nearly every name is told apart by that.
    const name = flat[i] ?? "";
    switch (name.length) {
      case 7:
        if (name.toLowerCase() === "trailer") trailer ??= flat[i + 1];
        break;
      case 12:
        if (contentType === undefined && name.toLowerCase() === "content-type") contentType = mediaType(flat[i + 1]);
        else if (name.toLowerCase() === "x-request-id") requestId ??= flat[i + 1];
        break;
      case 14:
        if (name.toLowerCase() === "content-length") contentLength ??= flat[i + 1];
        break;
      case 16:
        if (name.toLowerCase() === "content-encoding") contentEncoding ??= flat[i + 1];
        break;
    }
  }
  return {
    status,
    statusText: writable(statusText ?? ""),
    contentType: contentType ?? "",
    contentEncoding,
    contentLength,
    trailer,
    requestId,
    crossing: headersToClient(flat),
  };
}

const none: readonly string[] = [];

/** Bytes; what lies between the first part and the last is a head, or else something that is not worth decoding. */
const longestHead = 16 * 1024;

/** undici gives raw headers as Buffers or strings, depending on the protocol. Bytes are Latin-1 on the wire. */
export function textHeaders(raw: unknown): readonly string[] {
  if (!Array.isArray(raw) || raw.length === 0) return none;
  const known = pieces(raw);
  if (known !== undefined) return known;
  const texts: string[] = [];
  for (const part of raw as RawHeaders) texts.push(typeof part === "string" ? part : part.toString("latin1"));
  return texts;
}

/**
 * The same where the parts are windows on one piece of memory, one behind the other, as those of a head that came in
 * one read are: it is decoded as a whole, for each call into the decoder costs more than it decodes.
 */
function pieces(raw: RawHeaders): string[] | undefined {
  const [first] = raw;
  if (first === undefined || typeof first === "string") return undefined;
  const { buffer, byteOffset: start } = first;
  let end = start;
  for (const part of raw) {
    if (typeof part === "string" || part.buffer !== buffer || part.byteOffset < end) return undefined;
    end = part.byteOffset + part.length;
  }
  if (end - start > longestHead) return undefined;
  const text = Buffer.from(buffer, start, end - start).toString("latin1");
  const texts: string[] = [];
  for (const part of raw as readonly Buffer[]) {
    const at = part.byteOffset - start;
    texts.push(text.slice(at, at + part.length));
  }
  return texts;
}

const mediaType = (value = ""): string => {
  const end = value.indexOf(";");
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
};

/**
 * A reason phrase as Node writes it: its bytes as Latin-1. undici reads it as UTF-8, where anything may stand; what may
 * not be written at all is left out, for nobody needs it (RFC 9112 §4).
 */
function writable(statusText: string): string {
  if (statusText === "OK" || /^[\t\x20-\x7e]*$/.test(statusText)) return statusText;
  const bytes = Buffer.from(statusText).toString("latin1");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: leaving them out is the point
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(bytes) ? "" : bytes;
}
