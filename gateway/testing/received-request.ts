// One request as the fake backend received it: exact head, exact body, and how its turn ended.
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { ByteReader } from "./byte-reader.ts";
import { bodyPieces, type Field, framingOf, type Head, valuesOf } from "./http-wire.ts";

/**
 * How an answer ended: `answered` in full and as scripted, `left` when the client went away before that,
 * `cut` when the script itself broke the connection.
 */
export type TurnEnd = "answered" | "left" | "cut";

export interface ReceivedRequest {
  readonly method: string;
  readonly target: string;
  readonly head: Head;
  readonly fields: readonly Field[];
  /** The first value of a field; the name in any case. */
  header(name: string): string | undefined;
  /** Index of the connection, from 0. */
  readonly connection: number;
  /** True when the connection has served a request before. */
  readonly reused: boolean;
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
  /** The body so far: whole once `readBody` has resolved; only its first 16 MiB are kept. */
  readonly body: Buffer;
  readonly bodyBytes: number;
  /** True when the body came to its end as its framing says. */
  readonly bodyComplete: boolean;
  /** SHA-256 of the body so far, hex. */
  bodyHash(): string;
  readonly trailers: readonly Field[];
  /** The body as JSON; throws where it is none. */
  json(): unknown;
  /** Reads the rest of the body; until it is called the sender feels back-pressure. Throws CutOff when it breaks off. */
  readBody(): Promise<Buffer>;
  /** Bytes of the answer that the kernel took. */
  readonly bytesSent: number;
  /** Undefined while the turn lasts. */
  readonly end: TurnEnd | undefined;
  /** Monotonic milliseconds at which the turn ended. */
  readonly endedAt: number | undefined;
  /** Resolves with how the turn ended. */
  readonly ended: Promise<TurnEnd>;
  /** For the server: notes the turn's end, once, and the bytes sent. */
  close(end: TurnEnd, bytesSent: number): void;
}

const kept = 16 * 1024 * 1024;

interface Place {
  readonly connection: number;
  /** Requests served on this connection before. */
  readonly turns: number;
  readonly reader: ByteReader;
  readonly socket: Socket;
}

/** Throws WireError when the head's framing is ambiguous. */
export function receivedRequest(head: Head, { connection, turns, reader, socket }: Place): ReceivedRequest {
  const [method = "", target = ""] = head.startLine.split(" ");
  const framing = framingOf(head.fields, "none");
  const hash = createHash("sha256");
  const pieces: Buffer[] = [];
  const trailers: Field[] = [];
  const sentBefore = socket.bytesWritten;
  const { promise: ended, resolve } = Promise.withResolvers<TurnEnd>();
  let bodyBytes = 0;
  let bodyComplete = framing.kind === "none";
  let reading: Promise<void> | undefined;
  let end: TurnEnd | undefined;
  let endedAt: number | undefined;
  let sent: number | undefined;

  async function readAll(): Promise<void> {
    for await (const piece of bodyPieces(reader, framing, trailers)) {
      if (bodyBytes < kept) pieces.push(piece);
      bodyBytes += piece.length;
      hash.update(piece);
    }
    bodyComplete = true;
  }

  return {
    method,
    target,
    head,
    fields: head.fields,
    header: (name) => valuesOf(head.fields, name)[0],
    connection,
    reused: turns > 0,
    arrivedAt: performance.now(),
    get body() {
      return Buffer.concat(pieces);
    },
    get bodyBytes() {
      return bodyBytes;
    },
    get bodyComplete() {
      return bodyComplete;
    },
    bodyHash: () => hash.copy().digest("hex"),
    trailers,
    json: () => JSON.parse(Buffer.concat(pieces).toString()) as unknown,
    async readBody() {
      reading ??= readAll();
      await reading;
      return Buffer.concat(pieces);
    },
    get bytesSent() {
      return sent ?? socket.bytesWritten - sentBefore;
    },
    get end() {
      return end;
    },
    get endedAt() {
      return endedAt;
    },
    ended,
    close(how, bytesSent) {
      if (end !== undefined) return;
      end = how;
      endedAt = performance.now();
      sent = bytesSent;
      resolve(how);
    },
  };
}
