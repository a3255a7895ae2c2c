// Connections to a backend that is no more than sockets in the test's hand.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Asker, Deadlines } from "../http1/asker.ts";
import type { Connection } from "../http1/connection.ts";
import type { AnswerHead } from "../http1/head-parser.ts";
import type { Http1Request } from "../http1/request-head.ts";
import { type Transport, transport } from "../transport.ts";
import { backendAt } from "./harness.ts";

/** What became of one request. */
interface Told {
  readonly connection: Connection;
  readonly head: AnswerHead | undefined;
  readonly text: string;
  /** `whole`, or the error's message. */
  readonly end: string;
  readonly error: Error | undefined;
}

export interface Wire extends AsyncDisposable {
  readonly transport: Transport;
  /** Every connection that was taken, in order. */
  readonly sockets: readonly Socket[];
  /** Ours, one for each request in order, as often as it was used. */
  readonly connections: readonly Connection[];
  /** All that was read on the connection with this index. */
  read(index: number): string;
  /** Sends a request as an attempt does, and gives its connection back at the end. */
  ask(request?: Partial<Http1Request>, deadlines?: Partial<Deadlines>, parts?: Partial<Asker>): Promise<Told>;
}

/** `serve` is told of each read of a connection, with all that came on it so far. `paused`: nothing is read. */
export async function wire(
  serve: (socket: Socket, soFar: string) => void,
  { paused = false }: { readonly paused?: boolean } = {},
): Promise<Wire> {
  const sockets: Socket[] = [];
  const texts = new Map<Socket, string>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: paused }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    if (paused) {
      serve(socket, "");
      return;
    }
    socket.on("data", (chunk) => {
      const text = (texts.get(socket) ?? "") + chunk.toString("latin1");
      texts.set(socket, text);
      serve(socket, text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const connections: Connection[] = [];
  const road = transport({ backend: backendAt(`http://127.0.0.1:${address.port}`) });
  return {
    transport: road,
    sockets,
    connections,
    read: (index) => texts.get(sockets[index] as Socket) ?? "",
    ask(request, deadlines, parts) {
      const connection = road.acquire();
      if (connection === undefined) throw new Error("no connection");
      connections.push(connection);
      return ask(road, connection, request, deadlines, parts);
    },
    async [Symbol.asyncDispose]() {
      road.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function ask(
  road: Transport,
  connection: Connection,
  request: Partial<Http1Request> = {},
  { firstByte = 0, idle = 0 }: Partial<Deadlines> = {},
  parts: Partial<Asker> = {},
): Promise<Told> {
  return new Promise((resolve) => {
    let head: AnswerHead | undefined;
    let text = "";
    const over = (end: string, error?: Error) => {
      road.release(connection);
      resolve({ connection, head, text, end, error });
    };
    const asker: Asker = {
      asking: () => parts.asking?.(),
      head(received) {
        head = received;
        parts.head?.(received);
      },
      data(chunk) {
        text += chunk.toString("latin1");
        parts.data?.(chunk);
      },
      whole(trailers) {
        parts.whole?.(trailers);
        over("whole");
      },
      failed: (error) => over(error.message, error),
    };
    connection.send({ method: "GET", path: "/", headers: [], body: null, ...request }, asker, { firstByte, idle });
  });
}
