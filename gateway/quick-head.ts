// Hands Node the head of a whole answer as text: its fields were checked when they were read, and Node would check each anew.
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { spellings } from "./spellings.ts";

export interface WholeHead {
  readonly status: number;
  readonly statusText: string;
  /** Flat lists, one behind the other; every name and value is one that a head may have, and none frames the body. */
  readonly fields: readonly (readonly string[])[];
  /** Of the body that follows, bytes. */
  readonly length: string;
}

/** What Node keeps of a head that is put together, and goes out with the first bytes behind it. Not documented. */
interface Prepared {
  _header: string | null;
  _headerSent: boolean;
  _contentLength: number | null;
  readonly _keepAliveTimeout: number;
  readonly _maxRequestsPerSocket: number;
  readonly _expect_continue: boolean;
  readonly _sent100: boolean;
  readonly shouldKeepAlive: boolean;
}

type Prepares = ServerResponse & Prepared;

interface Name {
  /** Of its line, and the end of the one before. */
  readonly start: string;
  readonly is: "date" | "content-disposition" | "other";
}

const known = spellings((name): Name => {
  const lower = name.toLowerCase();
  return { start: `\r\n${name}: `, is: lower === "date" || lower === "content-disposition" ? lower : "other" };
});

/** What Node says to whom it goes on to listen to. */
const staying = (seconds: number): string => `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`;
let stayingFor = 0;
let stays = "";

/**
 * Does what `writeHead` would do, for a client whose connection stays. False, with nothing done, where Node would say
 * more than that, or does not work as this file takes it to: then `writeHead` has to do it.
 */
export function writeQuickly(res: ServerResponse, head: WholeHead): boolean {
  return worksSo && tryQuickly(res as Prepares, head);
}

function tryQuickly(res: Prepares, { status, statusText, fields, length }: WholeHead): boolean {
  if (!res.shouldKeepAlive || res._header !== null || res._maxRequestsPerSocket > 0) return false;
  // Node hangs up on a client that was not told to go on: what it sends next may be a body, or a request.
  if (res._expect_continue && !res._sent100) return false;
  let text = `HTTP/1.1 ${status} ${statusText}`;
  let isDated = false;
  for (const flat of fields) {
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const { start, is } = known(flat[i] as string);
      if (is === "date") isDated = true;
      // Node writes its value in an encoding of its own.
      else if (is === "content-disposition") return false;
      text += start;
      text += flat[i + 1];
    }
  }
  if (!isDated) return false;
  if (res._keepAliveTimeout !== stayingFor) {
    stayingFor = res._keepAliveTimeout;
    stays = staying(Math.floor(stayingFor / 1000));
  }
  res.statusCode = status;
  res.statusMessage = statusText;
  res._contentLength = Number(length);
  res._header = `${text}\r\ncontent-length: ${length}${stays}`;
  res._headerSent = false;
  return true;
}

/** Whether Node, told the same in both ways, knows the same afterwards. */
const worksSo = (() => {
  const head = {
    status: 201,
    statusText: "Made",
    fields: [
      ["date", "now", "a", "b"],
      ["c", "d"],
    ],
    length: "3",
  };
  try {
    const [one, other] = [response(), response()];
    one.writeHead(head.status, head.statusText, [...head.fields.flat(), "content-length", head.length]);
    return tryQuickly(other, head) && alike(one, other);
  } catch {
    return false;
  }
})();

function response(): Prepares {
  const req = Object.assign(new IncomingMessage(new Socket()), {
    method: "GET",
    httpVersionMajor: 1,
    httpVersionMinor: 1,
  });
  return Object.assign(new ServerResponse(req), { _keepAliveTimeout: 5_000, _maxRequestsPerSocket: 0 }) as Prepares;
}

function alike(one: object, other: object): boolean {
  const names = new Set([...Reflect.ownKeys(one), ...Reflect.ownKeys(other)]);
  const isPlain = (value: unknown) => typeof value !== "object" && typeof value !== "function";
  return [...names].every((name) => {
    const [a, b]: unknown[] = [Reflect.get(one, name), Reflect.get(other, name)];
    return Object.is(a, b) || !(isPlain(a) || isPlain(b));
  });
}
