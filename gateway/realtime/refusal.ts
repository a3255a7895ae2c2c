// An upgrade that comes to nothing: the backend's refusal read whole, and the answer to the client as plain HTTP.
import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { GatewayError } from "../errors.ts";
import { headersToClient } from "../headers.ts";
import { errorBody } from "../receivers/failure.ts";
import { jsonIn } from "../receivers/json.ts";
import { reply, replyError } from "../reply.ts";
import { Failed } from "../sending.ts";
import { failureOfStatus } from "../verdict.ts";

/** The backend's own answer, where it may go to the client as it is. */
export interface Held {
  readonly status: number;
  readonly statusText: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** The backend turned the upgrade down. `held` is absent where its answer is not for the client. */
export class Refused extends Failed {
  readonly held: Held | undefined;
  constructor(kind: GatewayError["kind"], detail: string, held: Held | undefined) {
    super(kind, detail);
    this.held = held;
  }
}

/** A refusal is an error in JSON; what is larger or slower than any is not waited for. */
const mostBytes = 64 * 1024;
const mostMillis = 5_000;

/** Reads what a backend answers in place of a 101. Never rejects. `ownKey`: it was asked under our key. */
export async function refusal(answer: IncomingMessage, ownKey: boolean): Promise<Refused> {
  const { statusCode: status = 0, statusMessage: statusText = "", rawHeaders } = answer;
  const body = await whole(answer);
  const text = body?.toString("utf8") ?? "";
  const told = errorBody(jsonIn(text), "")?.message ?? `The backend answered the upgrade with ${status}.`;
  const kind = failureOfStatus(status, ownKey) ?? "bad_answer";
  const crosses = kind !== "backend_auth" && kind !== "bad_answer" && body !== undefined;
  return new Refused(kind, told, crosses ? { status, statusText, rawHeaders, body } : undefined);
}

function whole(answer: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    const timer = setTimeout(() => answer.destroy(), mostMillis);
    answer.on("data", (part: Buffer) => {
      parts.push(part);
      bytes += part.length;
      if (bytes > mostBytes) answer.destroy();
    });
    answer.on("error", () => {});
    answer.once("close", () => {
      clearTimeout(timer);
      resolve(answer.complete && bytes <= mostBytes ? Buffer.concat(parts) : undefined);
    });
  });
}

/**
 * Answers an upgrade request that comes to nothing, and ends its connection: there is no parser on it any more. Gives
 * the bytes of the body; `undefined` where nothing can be said.
 */
export function answerPlainly(
  req: IncomingMessage,
  socket: Duplex,
  error: unknown,
  ownHeaders: readonly string[],
): number | undefined {
  if (!(socket instanceof Socket) || socket.destroyed) return undefined;
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  try {
    res.assignSocket(socket);
  } catch {
    // An earlier answer is still being written on it.
    socket.destroy();
    return undefined;
  }
  res.once("finish", () => socket.destroySoon());
  if (error instanceof Refused && error.held) {
    const { status, statusText, rawHeaders, body } = error.held;
    reply(res, status, body, [...headersToClient(rawHeaders), ...ownHeaders], statusText);
    return body.length;
  }
  const known = error instanceof GatewayError ? error : undefined;
  return replyError(res, {
    kind: known?.kind ?? "internal",
    // What a backend said is for the record alone.
    ...(known && !(known instanceof Failed) && { message: known.message }),
    ...(known?.param !== undefined && { param: known.param }),
    ...(known?.retryAfter !== undefined && { retryAfter: known.retryAfter }),
    headers: [...ownHeaders, ...(known?.headers ?? [])],
  });
}
