// A plain TCP server that answers as its script says, and what a connection to it tells of each answer.
import { createServer, type Socket } from "node:net";
import { type Asker, Connection, type Deadlines } from "../http1/connection.ts";
import { connector } from "../http1/connector.ts";
import type { AnswerHead } from "../http1/head-parser.ts";

/** Writes to one socket; what it is for says the test. */
type Script = (socket: Socket, request: string, connection: number) => void;

/** A backend that is told of each request's head on each connection. */
export async function backend(script: Script) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const at = sockets.push(socket) - 1;
    socket.on("error", () => {});
    socket.on("data", (bytes) => script(socket, bytes.toString("latin1"), at));
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const origin = new URL(`http://127.0.0.1:${address.port}`);
  const lost: Connection[] = [];
  return {
    sockets,
    lost,
    connection: (drop: (connection: Connection) => void = () => {}) =>
      new Connection({
        host: "backend",
        connect: connector({ origin, timeoutMillis: 1_000, secured: () => {} }),
        lost: (connection) => {
          lost.push(connection);
          drop(connection);
        },
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One request's answer. */
export class Answer implements Asker {
  readonly over: Promise<string>;
  readonly begun: Promise<AnswerHead>;
  text = "";
  #resolve: (how: string) => void = () => {};
  #begin: (head: AnswerHead) => void = () => {};

  constructor() {
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  asking() {}
  head(head: AnswerHead) {
    this.#begin(head);
  }
  data(chunk: Buffer) {
    this.text += chunk.toString("latin1");
  }
  whole() {
    this.#resolve("whole");
  }
  failed(error: Error) {
    this.#resolve("code" in error && typeof error.code === "string" ? error.code : error.name);
  }
}

export const noDeadlines: Deadlines = { firstByte: 0, idle: 0 };

export function ask(connection: Connection, deadlines = noDeadlines, path = "/"): Answer {
  const answer = new Answer();
  connection.send({ method: "GET", path, headers: [], body: null }, answer, deadlines);
  return answer;
}
