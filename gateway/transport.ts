// The road to one backend: keep-alive connections, one request at a time on each, the last used first.
import type { PeerCertificate } from "node:tls";
import type { Backend } from "./config/config.ts";
import { Connection, type ConnectionOptions } from "./http1/connection.ts";
import { connector } from "./http1/connector.ts";
import { IdleConnections } from "./http1/idle-connections.ts";
import { Roll } from "./roll.ts";

export interface Transport {
  readonly backend: Backend;
  /** Path prefix of the backend's base URL, e.g. `/v1`. */
  readonly basePath: string;
  readonly hostname: string;
  readonly port: number;
  /** Requests on their way now, and sessions that are open. */
  readonly inflight: number;
  /** `undefined` when all the connections that the backend may have are in use. */
  acquire(options?: { readonly fresh: boolean }): Connection | undefined;
  release(connection: Connection): void;
  /** Counts a connection of the caller's own, for a session that speaks otherwise than these do, until what it gives is called. */
  join(): () => void;
  /** Closes idle connections, and each of the others once its request is over. */
  close(): void;
  /** Cuts everything off. */
  destroy(): void;
}

export interface TransportOptions {
  readonly backend: Backend;
  /** Told when a TLS handshake shows until when the backend's certificate is valid (Unix seconds). */
  readonly certificateSeen?: (backend: string, expiry: number) => void;
}

export function transport({ backend, certificateSeen }: TransportOptions): Transport {
  const url = new URL(backend.baseUrl);
  const options: ConnectionOptions = {
    host: url.host,
    connect: connector({
      origin: url,
      timeoutMillis: backend.timeouts.connect * 1000,
      secured(socket) {
        // None, contrary to its type, where the connection was given up meanwhile.
        const certificate: PeerCertificate | null = socket.getPeerCertificate();
        const expiry = Date.parse(certificate?.valid_to ?? "");
        if (Number.isFinite(expiry)) certificateSeen?.(backend.name, expiry / 1000);
      },
    }),
    lost(connection) {
      // One that serves is given back by whoever it serves.
      if (connection.place < 0) idle.drop(connection);
    },
  };

  const idle = new IdleConnections();
  const held = new Roll<Connection>();
  let sessions = 0;
  let closing = false;
  const inflight = () => held.size + sessions;

  return {
    backend,
    basePath: url.pathname.replace(/\/$/, ""),
    hostname: url.hostname,
    port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
    get inflight() {
      return inflight();
    },
    acquire({ fresh } = { fresh: false }) {
      if (held.size >= backend.maxConnections) return undefined;
      const connection = (fresh ? undefined : idle.take()) ?? new Connection(options);
      held.add(connection);
      return connection;
    },
    release(connection) {
      if (!held.delete(connection)) return;
      if (closing || !connection.connected) connection.destroy();
      else idle.keep(connection);
    },
    join() {
      sessions += 1;
      let isOpen = true;
      return () => {
        if (isOpen) sessions -= 1;
        isOpen = false;
      };
    },
    close() {
      closing = true;
      idle.close();
    },
    destroy() {
      this.close();
      for (const connection of held.members()) connection.destroy();
    },
  };
}
