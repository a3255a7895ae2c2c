// Makes the sockets of one backend's connections, over TCP or TLS, which are read without a stream in between.
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { buildConnector } from "undici";

export interface ConnectorOptions {
  readonly origin: URL;
  /** Until it stands, TLS included; 0: for as long as the operating system tries. */
  readonly timeoutMillis: number;
  /** Told of each handshake in which the backend showed its certificate. */
  readonly secured: (socket: TLSSocket) => void;
}

/**
 * `read` is called with what comes, which is its own; `done` once the socket stands, or cannot. Gives the socket that is
 * to stand, where it can be had before.
 */
export type Connect = (read: (chunk: Buffer) => void, done: (made: Socket | Error) => void) => Socket | undefined;

/** For so long a backend need not show its certificate again; it may have a new one, or lose the right to the old. */
const sessionMillis = 3_600_000;

/**
 * All sockets are read into one piece of memory, and what came is copied out of it: the copy costs less than memory for
 * each read, and a stream's event to tell of it.
 */
const memory = Buffer.allocUnsafeSlow(64 * 1024);

export function connector({ origin, timeoutMillis, secured }: ConnectorOptions): Connect {
  const { host, protocol, port } = origin;
  const hostname = origin.hostname.replace(/^\[|\]$/g, "");
  /** Of the last handshake, which makes the next one shorter. */
  let session: Buffer | undefined;
  let forgetting: NodeJS.Timeout | undefined;
  const forget = () => {
    session = undefined;
  };
  return (read, done) => {
    const connect = buildConnector({
      timeout: timeoutMillis,
      allowH2: false,
      onread: {
        buffer: memory,
        callback: (length) => {
          const chunk = Buffer.allocUnsafe(length);
          memory.copy(chunk, 0, 0, length);
          read(chunk);
          return true;
        },
      },
      ...(session && { session }),
    });
    // Its type does not say so, but it gives the socket that it connects.
    const dialled: unknown = connect({ hostname, host, protocol, port }, (error, socket) => {
      if (socket instanceof TLSSocket) {
        socket.on("session", (next: Buffer) => {
          session = next;
        });
      }
      done(error ?? socket);
      // Only looks on, so that the request has gone its way before.
      if (socket instanceof TLSSocket && !socket.isSessionReused()) {
        clearTimeout(forgetting);
        forgetting = setTimeout(forget, sessionMillis).unref();
        secured(socket);
      }
    });
    return dialled instanceof Socket ? dialled : undefined;
  };
}
