// A plain HTTP server around a Hono app: strict parsing, OpenAI-shaped answers to what is not HTTP, orderly closing.
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";
import { errorBody, type FailureKind, failures } from "./errors.ts";
import { replyError } from "./reply.ts";
import { target } from "./target.ts";

export type Bindings = { Bindings: HttpBindings };

export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly server: Server;
  /** Takes no new connections, closes idle ones, and resolves when the last is gone. */
  close(): Promise<void>;
  /** Cuts off whatever is open. */
  destroy(): void;
}

export interface ServeOptions {
  readonly app: Hono<Bindings>;
  readonly host: string;
  readonly port: number;
  /**
   * Takes requests that are forwarded, and those whose target is no plain path, before any routing sees them: to build
   * a web Request for each costs as much as reading its head.
   */
  readonly direct?: { wanted(req: IncomingMessage): boolean; take(req: IncomingMessage, res: ServerResponse): void };
  /** Which requests may leave HTTP for a WebSocket, and where they go then. */
  readonly upgrade?: {
    wanted(req: IncomingMessage): boolean;
    take(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  };
  /** Told of requests that never became any, by the parser's code. */
  readonly malformed?: (code: string) => void;
}

/** Starts listening. Rejects with an error that names address and port when that is not possible. */
export function listen({ app, host, port, direct, upgrade, malformed }: ServeOptions): Promise<Listening> {
  const listener = getRequestListener(app.fetch, {
    // A client of HTTP/1.0 may name no Host.
    hostname: "localhost",
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    // The app answers for its own faults; what is left is a Host that is none.
    errorHandler: () => {
      malformed?.("INVALID_HOST");
      const { status } = failures.malformed_http;
      return new Response(errorBody("malformed_http"), { status, headers: { "content-type": "application/json" } });
    },
  });
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    if (res.socket) turn(res.socket, res);
    else res.once("socket", (socket: Socket) => turn(socket, res));
    res.on("close", forgetAnswer);
    if (!namesOneHost(req)) {
      malformed?.("INVALID_HOST");
      replyError(res, { kind: "malformed_http" });
    } else if (direct?.wanted(req)) direct.take(req, res);
    else if (target(req.url) === undefined) replyError(res, { kind: "invalid_path" });
    else void listener(req, res);
  };
  const server = createServer(
    {
      maxHeaderSize: 32 * 1024,
      headersTimeout: 60_000,
      // Bodies have their own limit, which is answered in OpenAI's shape and recorded.
      requestTimeout: 0,
      keepAliveTimeout: 75_000,
      // Checked by us, for an answer in OpenAI's shape.
      requireHostHeader: false,
      // While an earlier answer is still being written the connection is not free for another protocol.
      shouldUpgradeCallback: (req) =>
        !answerOn(req.socket)?.socket && namesOneHost(req) && (upgrade?.wanted(req) ?? false),
    },
    onRequest,
  );
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", (_, res: ServerResponse) => void replyError(res, { kind: "expectation_failed" }));
  server.on("connect", (_, socket: Duplex) => {
    socket.on("error", () => {});
    dismiss(socket as Socket, "method_not_allowed");
  });
  if (upgrade) server.on("upgrade", (req, socket, head) => upgrade.take(req, socket, head));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const code = error.code ?? "HPE_UNKNOWN";
    const current = answerOn(socket);
    if (code === "ECONNRESET" || !socket.writable || (current?.headersSent && !current.writableFinished)) {
      socket.destroy();
      return;
    }
    malformed?.(code);
    dismiss(socket, failureOf(code));
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    server.listen({ host, port }, () => {
      const address = server.address() as AddressInfo;
      resolve({
        host,
        port: address.port,
        server,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeIdleConnections();
          }),
        destroy: () => server.closeAllConnections(),
      });
    });
  });
}

/**
 * The answer whose turn it is on a connection: requests may come before earlier ones are answered. Kept on the socket
 * itself, as a WeakMap would be looked through at every young collection.
 */
const answering = Symbol("answering");
type Answering = Duplex & { [answering]?: ServerResponse | undefined };
const answerOn = (socket: Answering): ServerResponse | undefined => socket[answering];
const turn = (socket: Answering, res: ServerResponse): void => {
  socket[answering] = res;
};

/** A connection may wait for its next request for long, and would keep the last one's body all the while. */
function forgetAnswer(this: ServerResponse): void {
  const socket: Answering = this.req.socket;
  if (socket[answering] === this) socket[answering] = undefined;
}

/** A name or address with an optional port (RFC 9110 §7.2). */
const hostShape = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i;
/** A client's requests mostly name the same one. */
let lastHost = "";

/** Exactly one sound Host, which HTTP/1.1 demands (RFC 9112 §3.2); an older client may have none. */
function namesOneHost({ rawHeaders, headers, httpVersion }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  const { host } = headers;
  if (host === undefined || hosts !== 1) return hosts === 0 && httpVersion === "1.0";
  if (host === lastHost) return true;
  const found = hostShape.exec(host);
  if (found === null || Number(found[1] ?? 0) > 65_535) return false;
  lastHost = host;
  return true;
}

/** The parser's code as a failure of ours. */
function failureOf(code: string): FailureKind {
  if (code === "HPE_HEADER_OVERFLOW") return "headers_too_large";
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? "slow_body" : "malformed_http";
}

/** How long a client that was told to go may keep its connection, in milliseconds. */
const partingMillis = 2_000;

/** The last answer on a connection, where there is no response object to write it. */
function dismiss(socket: Socket, kind: FailureKind): void {
  socket.end(rawAnswer(kind));
  // What still comes is not looked at, and whoever does not hang up is hung up on.
  socket.resume();
  socket.setTimeout(partingMillis, () => socket.destroy());
}

/** An error answer as bytes. */
function rawAnswer(kind: FailureKind): string {
  const { status } = failures[kind];
  const body = errorBody(kind);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(
        `port ${port} on ${host} is in use: stop what uses it, or choose another with PORT or METRICS_PORT`,
        { cause: error },
      );
    case "EACCES":
      return new Error(
        `port ${port} on ${host} may not be used by this user: choose one above 1023 with PORT or METRICS_PORT`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new Error(`${host} is no address of this machine: set HOST (or listen.host) to one that is`, {
        cause: error,
      });
    default:
      return new Error(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
  }
}
