// Realtime sessions: WebSockets passed through message by message, metered from their events, one Exchange a session.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ForwardOptions } from "../sending.ts";
import { type Session, session } from "./session.ts";

export interface Realtime {
  /** Which requests are for here; any other upgrade is none, and the request an ordinary one. */
  wanted(req: IncomingMessage): boolean;
  /** Takes an upgrade request over. Never rejects. */
  take(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  /** Sessions that have no record yet. */
  readonly open: number;
  /** Ends every session: 1001, `going away`, where it has begun, and 503 where it has not. */
  cut(): void;
  /** Resolves when no session is open. */
  quiet(): Promise<void>;
}

/** Builds the passthrough. */
export function realtime(options: ForwardOptions): Realtime {
  const sessions = new Set<Session>();
  let becameQuiet = () => {};
  return {
    wanted: ({ method, headers, url }) =>
      method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && /^\/v1\/realtime(?:[/?]|$)/.test(url ?? ""),
    async take(req, socket, head) {
      const one = session(options, req, socket, head);
      sessions.add(one);
      await one.over;
      sessions.delete(one);
      if (sessions.size === 0) becameQuiet();
    },
    get open() {
      return sessions.size;
    },
    cut() {
      for (const one of sessions) one.stop();
    },
    quiet: () =>
      sessions.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            becameQuiet = resolve;
          }),
  };
}
