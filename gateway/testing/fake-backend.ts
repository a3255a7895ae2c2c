// A backend on a real socket whose every answer is scripted byte by byte, and that records what it was sent.
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { ByteReader } from "./byte-reader.ts";
import type { Certificate } from "./certificate.ts";
import { complaintsAbout, type Strictness } from "./complaints.ts";
import { readHead } from "./http-wire.ts";
import { type ReceivedRequest, receivedRequest } from "./received-request.ts";
import { type Answer, Gone, turn } from "./turn.ts";

export interface FakeBackendOptions extends Strictness {
  /** Serves TLS with this certificate. */
  readonly tls?: Certificate;
  /** What is answered when the script is empty. Without it an unscripted request is a complaint. */
  readonly otherwise?: Answer;
}

export interface FakeBackend {
  /** The base URL for a config: origin and `/v1`. */
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  /** Every request whose head arrived, in order. */
  readonly received: readonly ReceivedRequest[];
  /** Every rule that a request broke. `close` throws when there is one. */
  readonly complaints: readonly string[];
  /** How many connections were ever taken. */
  readonly connections: number;
  /** Adds answers to the script; each serves one request, in order of arrival. */
  next(...answers: readonly Answer[]): void;
  /** Answers every request for which the script holds nothing. */
  otherwise(answer: Answer): void;
  /** The request with this index (from 0), as soon as its head has arrived. */
  request(index: number): Promise<ReceivedRequest>;
  /** Cuts every connection and takes no new one; the port refuses. */
  refuse(): Promise<void>;
  /** Takes connections again, on the same port. */
  listen(): Promise<void>;
  /** Stops. Throws an Error with all complaints when a request broke a rule. */
  close(): Promise<void>;
}

/** Starts a backend on a free port of 127.0.0.1. */
export async function fakeBackend(options: FakeBackendOptions = {}): Promise<FakeBackend> {
  const script: Answer[] = [];
  const received: ReceivedRequest[] = [];
  const complaints: string[] = [];
  const sockets = new Set<Socket>();
  const waiters = new Set<() => void>();
  let fallback = options.otherwise;
  let connections = 0;

  async function serve(socket: Socket, connection: number): Promise<void> {
    const reader = new ByteReader(socket);
    for (let turns = 0; await reader.more(); turns += 1) {
      const head = await readHead(reader);
      const broken = complaintsAbout(head.startLine, head.fields, `127.0.0.1:${port}`, options);
      complaints.push(...broken.map((rule) => `request ${received.length} (${head.startLine}): ${rule}`));
      const request = receivedRequest(head, { connection, turns, reader, socket });
      received.push(request);
      for (const wake of waiters) wake();
      const answer = script.shift() ?? fallback;
      if (answer === undefined) {
        complaints.push(`nothing is scripted for ${head.startLine}`);
        socket.resetAndDestroy();
        return;
      }
      const { reusable } = await turn(answer, request, socket);
      if (!reusable) return;
      await request.readBody();
    }
    socket.end();
  }

  const take = (socket: Socket) => {
    const connection = connections;
    connections += 1;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    serve(socket, connection).catch((error: unknown) => {
      // A peer that leaves between requests, or in the middle of one, is recorded; anything else is a finding.
      const left = error instanceof Gone || (error instanceof Error && error.name === "CutOff");
      if (!left) complaints.push(`connection ${connection}: ${String(error)}`);
      socket.destroy();
    });
  };

  /** Below TLS there is a socket that `take` never sees when the handshake fails. */
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  };
  const build = (): Server => {
    if (options.tls === undefined) return createServer({ allowHalfOpen: true }, take).on("connection", track);
    const { key, cert } = options.tls;
    return createSecureServer({ key, cert, allowHalfOpen: true }, take).on("connection", track);
  };
  const start = (at: number) =>
    new Promise<Server>((resolve, reject) => {
      const fresh = build();
      fresh.once("error", reject);
      fresh.listen(at, "127.0.0.1", () => resolve(fresh));
    });
  const stop = async () => {
    const stopped = new Promise<void>((resolve) => server?.close(() => resolve()) ?? resolve());
    for (const socket of sockets) socket.resetAndDestroy();
    await stopped;
    server = undefined;
  };

  let server: Server | undefined = await start(0);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const origin = `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;

  return {
    url: `${origin}/v1`,
    origin,
    port,
    received,
    complaints,
    get connections() {
      return connections;
    },
    next: (...answers) => void script.push(...answers),
    otherwise: (answer) => {
      fallback = answer;
    },
    async request(index) {
      for (;;) {
        const there = received[index];
        if (there !== undefined) return there;
        await new Promise<void>((resolve) => {
          const wake = () => resolve(void waiters.delete(wake));
          waiters.add(wake);
        });
      }
    },
    refuse: stop,
    async listen() {
      server ??= await start(port);
    },
    async close() {
      await stop();
      if (complaints.length > 0) throw new Error(`the backend complains:\n${complaints.join("\n")}`);
    },
  };
}
