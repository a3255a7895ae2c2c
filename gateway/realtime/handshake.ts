// The client's handshake (RFC 6455 §4.2): checked before any backend is asked, finished when one has taken the session.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { ClientLeft, GatewayError } from "../errors.ts";

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A browser's way to say what others say in headers: who pays. */
const credential = /^openai-(?:insecure-api-key|organization|project)\./;

/** Throws a GatewayError for what is no proper upgrade to a WebSocket. */
export function checkUpgrade(req: IncomingMessage): void {
  const { method, headers } = req;
  const wrong = (what: string) =>
    new GatewayError("malformed_http", `This is not a well-formed WebSocket handshake: ${what}.`);
  if (method !== "GET") throw wrong("its method must be GET");
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) throw wrong("it needs a Sec-WebSocket-Key");
  if (headers["sec-websocket-version"] !== "13") throw wrong("Sec-WebSocket-Version must be 13");
  const { "sec-websocket-protocol": given } = headers;
  const names = subprotocols(req);
  if (given !== undefined && (new Set(names).size !== names.length || !names.every((name) => token.test(name))))
    throw wrong("Sec-WebSocket-Protocol must be a list of different names");
}

/** The subprotocols that the client offers, in its order. */
const subprotocols = ({ headers }: IncomingMessage): readonly string[] =>
  headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];

/** The subprotocols that may be offered to a backend: those that are the client's credentials only where those may cross. */
export const crossingSubprotocols = (req: IncomingMessage, passCredentials: boolean): readonly string[] =>
  subprotocols(req).filter((name) => passCredentials || !credential.test(name));

export interface Acceptance {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  /** What came with the request already. */
  readonly head: Buffer;
  /** As the backend chose it. */
  readonly subprotocol: string | undefined;
  /** Flat; sent with the 101. */
  readonly headers: readonly string[];
  /** The largest message that is taken, bytes; a larger one closes the session with 1009. */
  readonly maxBytes: number;
}

/** Finishes the handshake of a request that was checked. The connection is paused: it says nothing before `resume`. */
export function accept({ req, socket, head, subprotocol, headers, maxBytes }: Acceptance): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Compressing and inflating would cost more than they save here, and a client can do without.
    perMessageDeflate: false,
    maxPayload: maxBytes,
    handleProtocols: () => subprotocol ?? false,
  });
  server.on("headers", (lines) => {
    for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  });
  return new Promise((resolve, reject) => {
    server.on("wsClientError", (error) => reject(new GatewayError("malformed_http", error.message)));
    server.handleUpgrade(req, socket, head, (client) => {
      client.pause();
      resolve(client);
    });
    // The only other way out of a handshake that is sound.
    if (socket.destroyed) reject(new ClientLeft());
  });
}
