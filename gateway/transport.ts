// The road to one backend: keep-alive connections, one request at a time on each, the last used first.
import type { TLSSocket } from "node:tls";
import { buildConnector, Client } from "undici";
import type { Backend } from "./config/config.ts";
import { Roll } from "./roll.ts";

/** A connection held by one attempt until it is given back. */
export interface Connection {
  readonly client: Client;
  readonly connected: boolean;
  /** True when its socket has served a request before, so that it may have died unnoticed. */
  readonly reused: () => boolean;
}

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
  /** Lets running requests finish and closes idle connections. */
  close(): Promise<void>;
  /** Cuts everything off. */
  destroy(): Promise<void>;
}

export interface TransportOptions {
  readonly backend: Backend;
  /** Told when a TLS handshake shows until when the backend's certificate is valid (Unix seconds). */
  readonly certificateSeen?: (backend: string, expiry: number) => void;
}

/** Idle connections are closed by us before most servers' 60 s or 75 s do it under a request. */
const keepAliveMillis = 30_000;

/**
 * Connections are our own stack of undici Clients rather than a Pool: the Pool looks through all its clients at each
 * request, which is slow with thousands of open streams, and does not say whether a socket was reused.
 */
export function transport({ backend, certificateSeen }: TransportOptions): Transport {
  const url = new URL(backend.baseUrl);
  const connect = buildConnector({ timeout: backend.timeouts.connect * 1000, allowH2: false });
  const options: Client.Options = {
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: keepAliveMillis,
    keepAliveMaxTimeout: 600_000,
    headersTimeout: backend.timeouts.firstByte * 1000,
    bodyTimeout: backend.timeouts.idle * 1000,
    maxHeaderSize: 64 * 1024,
    connect: (target, callback) =>
      connect(target, (...result) => {
        const socket = result[1];
        if (certificateSeen && socket && "getPeerCertificate" in socket) seeCertificate(socket as TLSSocket);
        callback(...result);
      }),
  };
  const seeCertificate = (socket: TLSSocket) => {
    const expiry = Date.parse(socket.getPeerCertificate().valid_to);
    if (Number.isFinite(expiry)) certificateSeen?.(backend.name, expiry / 1000);
  };

  const idle: PooledConnection[] = [];
  const held = new Roll<PooledConnection>();
  let sessions = 0;
  let closing = false;
  const inflight = () => held.size + sessions;

  const drop = (connection: PooledConnection) => {
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
  };

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
      const connection = (fresh ? undefined : idle.pop()) ?? new PooledConnection(url.origin, options, drop);
      connection.serving = true;
      held.add(connection);
      return connection;
    },
    release(connection) {
      const pooled = connection as PooledConnection;
      if (!held.delete(pooled)) return;
      pooled.serving = false;
      if (closing || !pooled.connected) void pooled.client.destroy();
      else idle.push(pooled);
    },
    join() {
      sessions += 1;
      let isOpen = true;
      return () => {
        if (isOpen) sessions -= 1;
        isOpen = false;
      };
    },
    async close() {
      closing = true;
      await Promise.all([...idle.splice(0), ...held.members()].map(({ client }) => client.close()));
    },
    async destroy() {
      closing = true;
      await Promise.all([...idle.splice(0), ...held.members()].map(({ client }) => client.destroy()));
    },
  };
}

class PooledConnection implements Connection {
  readonly client: Client;
  connected = false;
  serving = false;
  place = -1;
  #served = 0;

  constructor(origin: string, options: Client.Options, lost: (connection: PooledConnection) => void) {
    this.client = new Client(origin, options);
    this.client.on("connect", () => {
      this.connected = true;
      this.#served = 0;
    });
    this.client.on("disconnect", () => {
      this.connected = false;
      // An idle connection that the backend closed is forgotten; one that serves is dealt with by its attempt.
      if (!this.serving) {
        lost(this);
        void this.client.destroy();
      }
    });
  }

  /** Counts requests on the present socket; to be asked when a request is about to be written. */
  readonly reused = (): boolean => this.#served++ > 0;
}
