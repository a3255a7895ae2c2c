// The head of a request as it goes on the wire.
import type { Readable } from "node:stream";
import { errors } from "undici";
import { spellings } from "../spellings.ts";
import { isName, isTarget, isValue } from "./octets.ts";

export interface Http1Request {
  readonly method: string;
  /** Path and query, as they go on the wire. */
  readonly path: string;
  /** Name, value, name, value…; none about framing but content-length, where the body's length is known. */
  readonly headers: readonly string[];
  readonly body: Buffer | Readable | null;
}

export interface RequestHead {
  readonly text: string;
  /** Octets of the body; `undefined`: it goes in chunks. */
  readonly length: number | undefined;
  /** The connection may be used again behind it, as far as the request goes. */
  readonly persists: boolean;
}

/** Methods that mean something to do with a body, so that having none is said (RFC 9110 §8.6). */
const wantsBody = (method: string): boolean => method === "POST" || method === "PUT" || method === "PATCH";

/** Throws undici's InvalidArgumentError for what would be read as something else than is meant. */
export function requestHead({ method, path, headers, body }: Http1Request, host: string): RequestHead {
  if (!isName(method)) throw new errors.InvalidArgumentError("invalid request method");
  if (!isTarget(path)) throw new errors.InvalidArgumentError("invalid request path");
  let fields = "";
  let length: string | undefined;
  let namesHost = false;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (!isValue(value)) throw new errors.InvalidArgumentError(`invalid ${name} header`);
    const { start, framing } = spelling(name);
    switch (framing) {
      case "host":
        if (namesHost) throw new errors.InvalidArgumentError("duplicate host header");
        namesHost = true;
        break;
      case "content-length":
        if (length !== undefined) throw new errors.InvalidArgumentError("duplicate content-length header");
        if (!/^\d{1,15}$/.test(value)) throw new errors.InvalidArgumentError("invalid content-length header");
        length = value;
        break;
      case "transfer-encoding":
        throw new errors.InvalidArgumentError(`invalid ${name} header`);
    }
    fields += start;
    fields += value;
  }
  const isStreamed = body !== null && !Buffer.isBuffer(body);
  const octets = isStreamed ? undefined : (body?.length ?? 0);
  if (length === undefined) {
    if (octets !== undefined && (octets > 0 || wantsBody(method))) fields += `\r\ncontent-length: ${octets}`;
  } else if (octets !== undefined && length !== String(octets)) {
    throw new errors.RequestContentLengthMismatchError();
  }
  const isChunked = isStreamed && length === undefined;
  // Some answer HEAD with a body, and some take a body that they do not expect for the next request: either would give
  // whoever comes next an answer that is not theirs.
  const persists = method !== "HEAD" && (octets === 0 || wantsBody(method));
  const option = persists ? "keep-alive" : "close";
  const own = `${namesHost ? "" : `\r\nhost: ${host}`}\r\nconnection: ${option}${isChunked ? "\r\ntransfer-encoding: chunked" : ""}`;
  return {
    text: `${method} ${path} HTTP/1.1${own}${fields}\r\n\r\n`,
    length: isChunked ? undefined : Number(length ?? octets),
    persists,
  };
}

/** What is known of a name as it is spelt. */
interface Spelling {
  /** Of its line, and the end of the one before. */
  readonly start: string;
  /** One that says where the message ends, or where it goes. */
  readonly framing: "host" | "content-length" | "transfer-encoding" | undefined;
}

const spelling = spellings((name): Spelling => {
  if (!isName(name)) throw new errors.InvalidArgumentError("invalid header name");
  const lower = name.toLowerCase();
  const isFraming = lower === "host" || lower === "content-length" || lower === "transfer-encoding";
  return { start: `\r\n${name}: `, framing: isFraming ? lower : undefined };
});
