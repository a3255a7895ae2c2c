// Where an answer ends, and whether its connection lives on, by what its fields say; what may be read in two ways is refused.
import { notHttp } from "./not-http.ts";

export interface Framing {
  /** How the body's end is known (RFC 9112 §6.3); `close`: with the connection's. */
  readonly body: "none" | "length" | "chunked" | "close";
  /** Octets, where `body` is `length`. */
  readonly length: number;
  /** The connection may be used again once the answer is over. */
  readonly persists: boolean;
  /** For how long the backend keeps it open unused, where it says so. */
  readonly keepAliveSeconds: number | undefined;
}

/** What the first line says, and the request did. */
export interface Circumstances {
  readonly status: number;
  /** HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1;
  /** It answers a HEAD request. */
  readonly isHead: boolean;
}

/** `fields`: name, value, name, value…. Throws where they contradict each other. */
export function framing(fields: readonly string[], { status, minor, isHead }: Circumstances): Framing {
  let announced: string | undefined;
  let coding: string | undefined;
  let connection = "";
  let keepAliveSeconds: number | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    // Told apart by length first, as nearly all are.
    switch (name.length) {
      case 10:
        if (is(name, "connection")) connection += `,${(fields[i + 1] as string).toLowerCase()}`;
        else if (is(name, "keep-alive")) keepAliveSeconds = secondsIn(fields[i + 1] as string);
        break;
      case 14:
        if (!is(name, "content-length")) break;
        if (announced !== undefined) throw notHttp("content-length stands there twice");
        announced = fields[i + 1] as string;
        break;
      case 17:
        if (!is(name, "transfer-encoding")) break;
        if (coding !== undefined) throw notHttp("transfer-encoding stands there twice");
        coding = fields[i + 1] as string;
        break;
    }
  }
  if (announced !== undefined && !/^\d{1,15}$/.test(announced)) throw notHttp("content-length is no length");
  if (coding !== undefined && !is(coding, "chunked")) throw notHttp("a transfer-encoding that nobody asked for");
  if (announced !== undefined && coding !== undefined) throw notHttp("two kinds of framing at once");
  if (status < 200 && minor === 0) throw notHttp("HTTP/1.0 knows no informational answers");
  const length = Number(announced ?? 0);
  const closes = says(connection, "close") || (minor === 0 && !says(connection, "keep-alive"));
  if (isHead) return { body: "none", length, persists: !closes, keepAliveSeconds };
  if (status < 200 || status === 204 || status === 304) {
    // Where a body is announced that may not be there, it may come all the same, and would be the next answer.
    return { body: "none", length, persists: !closes && length === 0 && coding === undefined, keepAliveSeconds };
  }
  if (coding !== undefined) return { body: "chunked", length, persists: !closes && minor === 1, keepAliveSeconds };
  if (announced === undefined) return { body: "close", length, persists: false, keepAliveSeconds };
  return { body: length === 0 ? "none" : "length", length, persists: !closes, keepAliveSeconds };
}

const is = (text: string, lower: string): boolean => text === lower || text.toLowerCase() === lower;

const says = (connection: string, option: string): boolean =>
  connection !== "" && connection.split(",").some((one) => one.trim() === option);

function secondsIn(keepAlive: string): number | undefined {
  const found = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i.exec(keepAlive);
  return found ? Number(found[1]) : undefined;
}
