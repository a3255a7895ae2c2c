// The head of a request as it goes on the wire.
import type { Readable } from "node:stream";
import { errors } from "undici";
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
    fields += `${start}${value}\r\n`;
  }
  const isStreamed = body !== null && !Buffer.isBuffer(body);
  const octets = isStreamed ? undefined : (body?.length ?? 0);
  if (length === undefined) {
    if (octets !== undefined && (octets > 0 || wantsBody(method))) fields += `content-length: ${octets}\r\n`;
  } else if (octets !== undefined && length !== String(octets)) {
    throw new errors.RequestContentLengthMismatchError();
  }
  const isChunked = isStreamed && length === undefined;
  // Some answer HEAD with a body, and some take a body that they do not expect for the next request: either would give
  // whoever comes next an answer that is not theirs.
  const persists = method !== "HEAD" && (octets === 0 || wantsBody(method));
  const option = persists ? "keep-alive" : "close";
  const own = `${namesHost ? "" : `host: ${host}\r\n`}connection: ${option}\r\n${isChunked ? "transfer-encoding: chunked\r\n" : ""}`;
  return {
    text: `${method} ${path} HTTP/1.1\r\n${own}${fields}\r\n`,
    length: isChunked ? undefined : Number(length ?? octets),
    persists,
  };
}

/** What is known of a name as it is spelt. */
interface Spelling {
  /** Of the line that it stands in. */
  readonly start: string;
  /** One that says where the message ends, or where it goes. */
  readonly framing: "host" | "content-length" | "transfer-encoding" | undefined;
}

/** Clients use a few dozen; each is looked at once. */
const spellings = new Map<string, Spelling>();
const mostSpellings = 500;
const longestRemembered = 64;

function spelling(name: string): Spelling {
  const known = spellings.get(name);
  if (known !== undefined) return known;
  if (!isName(name)) throw new errors.InvalidArgumentError("invalid header name");
  const lower = name.toLowerCase();
  const isFraming = lower === "host" || lower === "content-length" || lower === "transfer-encoding";
  const found: Spelling = { start: `${name}: `, framing: isFraming ? lower : undefined };
  if (name.length <= longestRemembered && spellings.size < mostSpellings) spellings.set(name, found);
  return found;
}
