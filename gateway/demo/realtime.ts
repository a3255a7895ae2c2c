// Realtime: sessions over WebSocket, taken from their upgrade request on.
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Stage } from "./endpoint.ts";
import { modelFor } from "./models.ts";
import { session } from "./realtime-session.ts";
import { Refusal } from "./refusal.ts";
import { troubleOf } from "./trouble.ts";

export interface Realtime {
  take(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Cuts off every session. */
  close(): void;
}

const largestMessage = 4 * 1024 * 1024;

export function realtime(stage: Stage): Realtime {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: largestMessage,
    handleProtocols: (offered) => (offered.has("realtime") ? "realtime" : false),
  });
  return {
    take(req, socket, head) {
      socket.on("error", () => {});
      try {
        const { pathname, searchParams } = new URL(req.url ?? "/", "http://demo");
        if (pathname !== "/v1/realtime") {
          throw new Refusal(`There is no WebSocket at ${pathname}.`, { status: 404, code: "unknown_url" });
        }
        const model = modelFor("realtime", { model: searchParams.get("model") });
        const trouble = troubleOf(model);
        if (trouble instanceof Refusal) throw trouble;
        server.handleUpgrade(req, socket, head, (client) =>
          session({ client, model, stage, trouble: trouble === "flaky" ? undefined : trouble }),
        );
      } catch (error) {
        refuse(socket, error);
      }
    },
    close() {
      for (const client of server.clients) client.terminate();
    },
  };
}

/** Answers an upgrade request in plain HTTP. */
function refuse(socket: Duplex, error: unknown): void {
  const { status, body, headers } = error instanceof Refusal ? error : new Refusal("The upgrade failed.");
  const text = JSON.stringify(body);
  const lines = { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const head = Object.entries({ ...lines, connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${head.join("")}\r\n${text}`);
}
