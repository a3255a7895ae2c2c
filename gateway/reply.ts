// The gateway's own answers: errors in OpenAI's shape, written straight to the client's connection.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { errorBody, type FailureKind, failures } from "./errors.ts";

/** How much of a request that is already answered is still read, so that the client sees the answer and not a reset. */
const lingerBytes = 8 * 1024 * 1024;

export interface ReplyError {
  readonly kind: FailureKind;
  readonly message?: string;
  readonly param?: string;
  /** Seconds, where a better figure than the table's is known. */
  readonly retryAfter?: number;
  /** Flat. */
  readonly headers?: readonly string[];
}

/** Answers with an error of our own. Gives the bytes of the body that is sent; `undefined` when the answer has begun, so that nothing can be said any more. */
export function replyError(
  res: ServerResponse,
  { kind, message, param, retryAfter, headers = [] }: ReplyError,
): number | undefined {
  if (res.headersSent || res.destroyed) return undefined;
  const failure = failures[kind];
  const wait = retryAfter ?? failure.retryAfter;
  const body = Buffer.from(errorBody(kind, message, param));
  reply(res, failure.status, body, [
    "content-type",
    "application/json",
    ...(wait === undefined ? [] : ["retry-after", String(Math.ceil(wait))]),
    ...headers,
  ]);
  return res.req.method === "HEAD" ? 0 : body.length;
}

/** A whole answer at once. What is left of the request is read away, within bounds. */
export function reply(
  res: ServerResponse,
  status: number,
  body: Buffer,
  headers: readonly string[],
  statusText = "",
): void {
  const head = [...headers, "content-length", String(body.length)];
  if (statusText === "") res.writeHead(status, head);
  else res.writeHead(status, statusText, head);
  res.end(res.req.method === "HEAD" ? undefined : body);
  linger(res.req);
}

/** Ends the connection when what was written has left; for an answer whose turn on it has not come, when it comes. */
export function hangUp(res: ServerResponse): void {
  if (res.socket) res.socket.destroySoon();
  else res.once("socket", (socket: Socket) => process.nextTick(() => socket.destroySoon()));
}

/** Reads away what is left of a request, within bounds, so that a client that is still sending sees its answer. */
export function linger(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return;
  let left = lingerBytes;
  req.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.on("error", () => {});
  req.resume();
}
