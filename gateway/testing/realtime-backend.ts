// A real WebSocket backend for tests, and what either end of a session through a gateway sees.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { expect } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

interface Message {
  readonly data: Buffer;
  readonly binary: boolean;
}

/** One end of a session, with all that came to it. */
export interface End {
  readonly socket: WebSocket;
  readonly messages: readonly Message[];
  /** The messages as text. */
  readonly texts: readonly string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Resolves when so many messages have come. */
  got(count: number): Promise<readonly Message[]>;
}

/** Begins to keep what comes. */
export function end(socket: WebSocket): End {
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

/** `accept` makes the proper handshake after all. */
export type Upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer, accept: () => void) => void;

export interface RealtimeBackendOptions {
  /** Takes an upgrade in place of a proper handshake. */
  readonly upgrade?: Upgrade | undefined;
  /** Which of the subprotocols it takes; the first when not given. */
  readonly subprotocol?: ((offered: Set<string>) => string | false) | undefined;
  /** Added to its 101, as lines. */
  readonly headers?: readonly string[] | undefined;
  /** Takes no connections. */
  readonly refuses?: boolean | undefined;
}

export interface RealtimeBackend extends AsyncDisposable {
  /** Without `/v1`. */
  readonly origin: string;
  /** What it was asked for. */
  readonly asked: readonly IncomingMessage[];
  /** Its open sockets. */
  readonly sockets: ReadonlySet<Socket>;
  /** Its end of the nth session, from 0. */
  there(index?: number): Promise<End>;
}

/** Starts one. Disposing cuts off whoever is connected. */
export async function realtimeBackend(options: RealtimeBackendOptions = {}): Promise<RealtimeBackend> {
  const { upgrade, subprotocol, headers = [], refuses = false } = options;
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
    const leave = () => socket.destroy();
    const accept = () => {
      socket.off("end", leave);
      webSockets.handleUpgrade(req, socket, head, (one) => ends.push(end(one)));
    };
    if (upgrade === undefined) return accept();
    socket.on("end", leave).resume();
    upgrade(req, socket, head, accept);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    if (!server.listening) return;
    const stopped = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await stopped;
  };
  if (refuses) await stop();
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    sockets,
    async there(index = 0) {
      await expect.poll(() => ends.length, { timeout: 10_000, interval: 2 }).toBeGreaterThan(index);
      const there = ends[index];
      if (there === undefined) throw new Error("the backend has no such session");
      return there;
    },
    [Symbol.asyncDispose]: stop,
  };
}
