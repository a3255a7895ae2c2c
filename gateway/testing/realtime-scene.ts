// A gateway before a real WebSocket backend, and both ends of the sessions that go through it.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { expect } from "vitest";
import { type ClientOptions, WebSocket, WebSocketServer } from "ws";
import type { Exchange } from "../../instrumentation/index.ts";
import type { Backend, Config } from "../config/config.ts";
import { backendAt, startTollgate, type Tollgate } from "./harness.ts";
import { type Field, valuesOf } from "./http-wire.ts";
import { type RawAnswer, rawRequest } from "./raw-client.ts";
import { expectSound } from "./scene.ts";

interface Message {
  readonly data: Buffer;
  readonly binary: boolean;
}

/** One end of a session, with all that came to it. */
interface End {
  readonly socket: WebSocket;
  readonly messages: readonly Message[];
  /** The messages as text. */
  readonly texts: readonly string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Resolves when so many messages have come. */
  got(count: number): Promise<readonly Message[]>;
}

/** Begins to keep what comes. */
function end(socket: WebSocket): End {
  const messages: Message[] = [];
  socket.on("message", (data, binary) => messages.push({ data: data as Buffer, binary }));
  socket.on("error", () => {});
  return {
    socket,
    messages,
    get texts() {
      return messages.map(({ data }) => data.toString());
    },
    closed: new Promise((resolve) => {
      socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    }),
    async got(count) {
      await expect.poll(() => messages.length, { timeout: 10_000, interval: 2 }).toBeGreaterThanOrEqual(count);
      return messages;
    },
  };
}

/** What a gateway wrote after its 101, and the means to write anything back. */
interface RawSession {
  readonly socket: Socket;
  /** The fields of the 101, as written. */
  readonly fields: readonly Field[];
  /** The only value of a field; throws when there are more. */
  header(name: string): string | undefined;
  /** All bytes after it, so far. */
  bytes(): Buffer;
  /** Resolves when the gateway has ended the connection. */
  readonly ended: Promise<void>;
}

export type Upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface RealtimeSceneOptions {
  readonly config?: Partial<Config>;
  readonly backend?: Partial<Backend>;
  /** The gateway has no key for the backend. */
  readonly keyless?: boolean;
  /** Takes an upgrade in place of a proper handshake. */
  readonly upgrade?: Upgrade;
  /** Which of the subprotocols the backend takes; the first when not given. */
  readonly subprotocol?: (offered: Set<string>) => string | false;
  /** Added to the backend's 101, as lines. */
  readonly headers?: readonly string[];
  /** Callers' keys, and whose ids are whose. */
  readonly admitting?: Parameters<typeof startTollgate>[1];
}

export interface RealtimeScene extends AsyncDisposable {
  readonly tollgate: Tollgate;
  /** The gateway's address, `ws://…/v1/realtime`. */
  readonly url: string;
  /** What the backend was asked for. */
  readonly asked: readonly IncomingMessage[];
  /** Sockets that the backend has open. */
  readonly sockets: ReadonlySet<Socket>;
  /** The backend's end of the nth session, from 0. */
  there(index?: number): Promise<End>;
  /** A client's session. Rejects when the upgrade is refused. */
  connect(query?: string, options?: ClientOptions & { readonly protocols?: readonly string[] }): Promise<End>;
  /** A client past its handshake that speaks in bytes. */
  rawSession(query?: string, headers?: readonly Field[]): Promise<RawSession>;
  /** Asks for an upgrade with a plain request, and gives the answer; throws where it is no HTTP answer. */
  knock(query?: string, headers?: readonly Field[]): Promise<RawAnswer>;
  /** Waits for the only exchange, stops the gateway, and makes sure that it was the only one, and is sound. */
  onlyExchange(): Promise<Exchange>;
  /** The gauge of open streams. */
  openStreams(): Promise<number>;
}

export const model = "gpt-realtime";

export const handshake: readonly Field[] = [
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", "13"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
];

/** Starts both. Disposing stops both. */
export async function realtimeScene(options: RealtimeSceneOptions = {}): Promise<RealtimeScene> {
  const { config, backend: more, keyless, upgrade, subprotocol, headers = [], admitting } = options;
  const asked: IncomingMessage[] = [];
  const ends: End[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    asked.push(req);
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ path: req.url }));
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    ...(subprotocol && { handleProtocols: subprotocol }),
  });
  webSockets.on("headers", (lines) => lines.push(...headers));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (req, socket, head) => {
    asked.push(req);
    if (upgrade) {
      socket.on("end", () => socket.destroy()).resume();
      upgrade(req, socket, head);
    } else webSockets.handleUpgrade(req, socket, head, (one) => ends.push(end(one)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { key, ...rest } = backendAt(`http://127.0.0.1:${port}`, more);
  const backends = [{ ...rest, ...(key !== undefined && keyless !== true && { key }) }];
  const tollgate = await startTollgate({ ...config, backends }, admitting);
  const http = `${tollgate.url}/realtime`;
  const url = http.replace(/^http/, "ws");
  const clients: WebSocket[] = [];
  const raw: Socket[] = [];

  return {
    tollgate,
    url,
    asked,
    sockets,
    async there(index = 0) {
      await expect.poll(() => ends.length, { timeout: 10_000, interval: 2 }).toBeGreaterThan(index);
      const there = ends[index];
      if (there === undefined) throw new Error("the backend has no such session");
      return there;
    },
    async connect(query = `?model=${model}`, { protocols = [], ...more } = {}) {
      const socket = new WebSocket(url + query, [...protocols], more);
      clients.push(socket);
      const here = end(socket);
      await once(socket, "open");
      return here;
    },
    async rawSession(query = `?model=${model}`, headers = handshake) {
      const { host, hostname, port: at } = new URL(http);
      const socket = connect({ host: hostname, port: Number(at) });
      raw.push(socket);
      let got = Buffer.alloc(0);
      socket.on("data", (piece) => {
        got = Buffer.concat([got, piece]);
      });
      socket.on("error", () => {});
      const ended = once(socket, "close").then(() => undefined);
      const lines = [["Host", host] as const, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.write(`GET /v1/realtime${query} HTTP/1.1\r\n${lines}\r\n`);
      await expect.poll(() => got.indexOf("\r\n\r\n"), { interval: 2 }).toBeGreaterThan(0);
      const split = got.indexOf("\r\n\r\n") + 4;
      const [status, ...fieldLines] = got.toString("latin1", 0, split).trim().split("\r\n");
      expect(status).toMatch(/^HTTP\/1\.1 101 /);
      const fields = fieldLines.map((line): Field => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon), line.slice(colon + 2)];
      });
      const header = (name: string) => {
        const values = valuesOf(fields, name);
        expect(values.length, name).toBeLessThan(2);
        return values[0];
      };
      return { socket, fields, header, bytes: () => got.subarray(split), ended };
    },
    knock: (query = `?model=${model}`, headers = handshake) => rawRequest(http + query, { method: "GET", headers }),
    async onlyExchange() {
      await tollgate.settled(1);
      await tollgate.close();
      const [exchange, ...others] = tollgate.exchanges;
      expect(others).toEqual([]);
      if (exchange === undefined) throw new Error("no exchange was recorded");
      expectSound(exchange);
      return exchange;
    },
    async openStreams() {
      const text = await (await fetch(`${tollgate.opsUrl}/metrics`)).text();
      return Number(/^gateway_open_streams(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of clients) socket.terminate();
      for (const socket of raw) socket.destroy();
      await tollgate.close();
      const stopped = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}
