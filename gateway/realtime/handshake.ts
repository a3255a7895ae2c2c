// The two handshakes of a session: ours with the backend first, then the client's with us.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { ExchangeDraft, OpenAttempt } from "../../instrumentation/index.ts";
import { ClientLeft, failures, GatewayError } from "../errors.ts";
import type { Upstream } from "../fleet.ts";
import { headersToBackend } from "../headers.ts";
import type { ForwardOptions } from "../sending.ts";
import type { Target } from "../target.ts";
import { failureOfStatus } from "../verdict.ts";

/** A browser's way to send a key, which is for the backend that takes the client's own alone. */
const keyProtocol = /^openai-insecure-api-key\./;

export interface Dial {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly place: Target;
  readonly upstream: Upstream;
  readonly draft: ExchangeDraft;
  readonly options: ForwardOptions;
}

/** Opens the session at the backend. Rejects with a GatewayError, or ClientLeft. */
export function dial({ req, socket, place, upstream, draft, options }: Dial): Promise<WebSocket> {
  const { backend, transport } = upstream;
  const { now } = options.surroundings.clock;
  const open: OpenAttempt = {
    backend: backend.name,
    provider: backend.provider,
    model: draft.requestedModel,
    spanId: options.traces.spanId(),
    startedAt: now(),
    address: transport.hostname,
    port: transport.port,
  };
  draft.attempts.push(open);
  draft.enter("connect", open.startedAt);
  const ownKey = !(backend.passClientKey && backend.key === undefined);
  const raw = headersToBackend({
    rawHeaders: req.rawHeaders,
    connection: req.headers.connection,
    passCredentials: !ownKey,
    replaced: upstream.replaced,
  });
  const headers: Record<string, string> = {};
  for (const list of [raw, upstream.headers]) {
    for (let i = 0; i + 1 < list.length; i += 2) {
      const name = (list[i] ?? "").toLowerCase();
      if (!name.startsWith("sec-websocket-")) headers[name] = list[i + 1] ?? "";
    }
  }
  headers["x-request-id"] = draft.opening.id;
  const protocols = (req.headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && !(ownKey && keyProtocol.test(name)));
  const url = `${backend.baseUrl.replace(/^http/, "ws")}${place.path.slice(3)}${place.query}`;
  const handshakeTimeout = backend.timeouts.connect * 1000;

  return new Promise((resolve, reject) => {
    const dialled = new WebSocket(url, protocols, {
      headers,
      perMessageDeflate: false,
      followRedirects: false,
      ...(handshakeTimeout > 0 && { handshakeTimeout }),
    });
    const fail = (error: GatewayError | ClientLeft) => {
      socket.off("close", left);
      open.endedAt = now();
      if (error instanceof GatewayError) {
        open.result = failures[error.kind].outcome;
        open.reason = failures[error.kind].reason;
      }
      dialled.on("error", () => {});
      dialled.terminate();
      reject(error);
    };
    const left = () => fail(new ClientLeft());
    socket.once("close", left);
    dialled.once("open", () => {
      socket.off("close", left);
      open.connectedAt = now();
      open.firstByteAt = open.connectedAt;
      open.status = 101;
      dialled.pause();
      resolve(dialled);
    });
    dialled.once("unexpected-response", (_, answer) => {
      open.status = answer.statusCode ?? 0;
      answer.resume();
      fail(
        new GatewayError(
          failureOfStatus(open.status, ownKey) ?? "bad_answer",
          `The backend answered the upgrade with ${open.status}.`,
        ),
      );
    });
    dialled.once("error", (error) => {
      const slow = /handshake has timed out/.test(error.message);
      fail(new GatewayError(slow ? "connect_timeout" : "unreachable"));
    });
  });
}

/** Finishes the client's handshake, with the subprotocol that the backend chose. */
export function accept(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  backend: WebSocket,
  ownHeaders: readonly string[],
): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => backend.protocol || false,
  });
  server.on("headers", (headers) => headers.push(...ownHeaders));
  return new Promise((resolve, reject) => {
    const gone = () => {
      backend.terminate();
      reject(new ClientLeft());
    };
    socket.once("close", gone);
    server.on("wsClientError", () => gone());
    server.handleUpgrade(req, socket, head, (client) => {
      socket.off("close", gone);
      resolve(client);
    });
  });
}
