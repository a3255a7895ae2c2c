// A client that sends raw bytes, and gives back what the server wrote: exact head, body without framing, the end.
import { connect, type Socket } from "node:net";
import { ByteReader, CutOff, type PeerEnd } from "./byte-reader.ts";
import { bodyPieces, type Field, type Framing, framingOf, readHead, valuesOf } from "./http-wire.ts";

/** Status line and header as written. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly fields: readonly Field[];
  /** All values of a field joined by a comma; `undefined` when it is absent. */
  header(name: string): string | undefined;
  readonly framing: Framing;
}

export interface RawAnswer extends AnswerHead {
  /** Informational answers (1xx) that came before. */
  readonly informational: readonly AnswerHead[];
  /** The body without its framing: what came, even when it was cut off. */
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON; throws where it is none. */
  json(): unknown;
  readonly trailers: readonly Field[];
  /** `complete` as the framing says; otherwise how the server broke off. */
  readonly ended: "complete" | PeerEnd;
}

/** One connection; answers are read one after another, as slowly as the test likes. */
export interface RawConnection {
  readonly socket: Socket;
  /** Resolves when the kernel took the bytes; rejects when the server closed. */
  send(bytes: Buffer | string): Promise<void>;
  /** The next head; `head` of a HEAD request has no body. Informational heads are given too. */
  head(method?: string): Promise<AnswerHead>;
  /** The next piece of the body of the last head; `undefined` at its end. Throws CutOff when it is broken off. */
  piece(): Promise<Buffer | undefined>;
  /** The next whole answer. Throws CutOff when the server ends before a head. */
  answer(method?: string): Promise<RawAnswer>;
  /** Resolves with how the server ended the connection, once all it sent was taken. */
  closed(): Promise<PeerEnd>;
  /** Goes away: FIN, as a client that closes does. */
  leave(): void;
  /** Goes away: RST. */
  reset(): void;
}

/** Opens a connection to the origin of `url`. `highWater`: bytes held unread before the server feels it. */
export async function rawConnection(url: string, highWater?: number): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
  const reader = new ByteReader(socket, highWater);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let trailers: Field[] = [];
  let pieces: AsyncGenerator<Buffer> | undefined;

  const self: RawConnection = {
    socket,
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    async head(method = "GET") {
      const { startLine, fields } = await readHead(reader);
      const [, digits, statusText = ""] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(startLine) ?? [];
      if (digits === undefined) throw new Error(`not a status line: ${startLine}`);
      const status = Number(digits);
      const bodiless = method === "HEAD" || status < 200 || status === 204 || status === 304;
      const framing: Framing = bodiless ? { kind: "none" } : framingOf(fields, "close");
      trailers = [];
      pieces = bodyPieces(reader, framing, trailers);
      const header = (name: string) =>
        valuesOf(fields, name).length > 0 ? valuesOf(fields, name).join(", ") : undefined;
      return { status, statusText, fields, header, framing };
    },
    async piece() {
      const next = await pieces?.next();
      return next === undefined || next.done === true ? undefined : next.value;
    },
    async answer(method) {
      const informational: AnswerHead[] = [];
      let head = await self.head(method);
      while (head.status < 200) {
        informational.push(head);
        head = await self.head(method);
      }
      const parts: Buffer[] = [];
      let ended: RawAnswer["ended"] = "complete";
      try {
        for (let part = await self.piece(); part !== undefined; part = await self.piece()) parts.push(part);
      } catch (error) {
        if (!(error instanceof CutOff)) throw error;
        ended = error.how;
      }
      const body = Buffer.concat(parts);
      const text = body.toString();
      return { ...head, informational, body, text, json: () => JSON.parse(text) as unknown, trailers, ended };
    },
    async closed() {
      while ((await reader.piece()) !== undefined);
      return reader.end ?? "reset";
    },
    leave: () => void socket.destroy(),
    reset: () => void socket.resetAndDestroy(),
  };
  return self;
}

export interface RawRequest {
  readonly method?: string;
  /** The request target as written: a path, or whatever a test wants to try. */
  readonly target?: string;
  readonly headers?: readonly Field[];
  /** Sent with content-length, unless `headers` frame it. */
  readonly body?: Buffer | string;
}

/** The bytes of a request. Host and framing are added unless given. */
export function requestBytes(url: string, { method = "POST", target, headers = [], body = "" }: RawRequest): Buffer {
  const { host, pathname, search } = new URL(url);
  const has = (name: string) => valuesOf(headers, name).length > 0;
  const length = Buffer.byteLength(body);
  const fields: Field[] = [
    ...(has("host") ? [] : ([["Host", host]] as const)),
    ...headers,
    ...(has("content-length") || has("transfer-encoding") || (length === 0 && method === "GET")
      ? []
      : ([["Content-Length", String(length)]] as const)),
  ];
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} ${target ?? pathname + search} HTTP/1.1\r\n${lines}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
}

/** Sends one request on a fresh connection and reads the whole answer. Throws CutOff when no head came back. */
export async function rawRequest(url: string, request: RawRequest | Buffer = {}): Promise<RawAnswer> {
  const connection = await rawConnection(url);
  const bytes = Buffer.isBuffer(request) ? request : requestBytes(url, request);
  try {
    connection.send(bytes).catch(() => undefined);
    return await connection.answer(Buffer.isBuffer(request) ? undefined : request.method);
  } finally {
    connection.leave();
  }
}
