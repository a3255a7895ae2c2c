// Passes messages between the two ends of a session, each waiting for the other, until one of them closes.
import type { RawData, WebSocket } from "ws";
import type { Outcome } from "../../instrumentation/index.ts";
import { outcomeOf } from "../errors.ts";
import type { SessionMeter } from "./session-meter.ts";

export interface RelayOptions {
  readonly client: WebSocket;
  readonly backend: WebSocket;
  readonly meter: SessionMeter;
  /** A session in which neither end says anything for so long is ended; 0 for never. */
  readonly idleSeconds: number;
}

/** What may wait for a slow end before the other is paused, bytes. */
const waitingBytes = 1024 * 1024;

/** Close codes that end a session in good order (RFC 6455 §7.4.1); 1005 is "none given". */
const orderly = new Set([1000, 1001, 1005]);

/** Resolves with how the session ended. Both ends are closed by then, or closing. */
export function relay({ client, backend, meter, idleSeconds }: RelayOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    let ended = false;
    let idle: NodeJS.Timeout | undefined;
    const end = (outcome: Outcome) => {
      if (ended) return;
      ended = true;
      clearTimeout(idle);
      resolve(outcome);
    };
    const touch = () => {
      if (idle) idle.refresh();
      else if (idleSeconds > 0) {
        idle = setTimeout(() => {
          end(outcomeOf("idle_timeout", undefined, 101));
          close(client, 1001, "idle");
          close(backend, 1001, "idle");
        }, idleSeconds * 1000);
      }
    };
    const pass = (from: WebSocket, to: WebSocket, look: (data: Buffer, binary: boolean) => void) => {
      from.on("message", (data: RawData, binary: boolean) => {
        touch();
        const bytes = asBuffer(data);
        look(bytes, binary);
        to.send(bytes, { binary }, () => {
          if (from.isPaused && to.bufferedAmount < waitingBytes) from.resume();
        });
        if (to.bufferedAmount >= waitingBytes) from.pause();
      });
      from.on("error", () => {});
    };
    pass(client, backend, (data) => meter.fromClient(data));
    pass(backend, client, (data, binary) => meter.fromBackend(data, binary));
    client.on("close", (code, reason) => {
      end(code === 1006 ? { kind: "abandoned", status: 499 } : { kind: "completed", status: 101, finish: "closed" });
      close(backend, code, reason.toString());
    });
    backend.on("close", (code, reason) => {
      const told = reason.toString() || `The backend closed the session with ${code}.`;
      if (orderly.has(code)) end({ kind: "completed", status: 101, finish: "closed" });
      else end(outcomeOf(code === 1006 ? "broken_answer" : "error_event", told, 101));
      close(client, code === 1006 ? 1011 : code, reason.toString());
    });
    touch();
    backend.resume();
  });
}

/** Closes with the other end's code, where that may be sent at all (1005, 1006 and 1015 may not). */
function close(socket: WebSocket, code: number, reason: string): void {
  const sendable =
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
  if (sendable) socket.close(code, Buffer.from(reason).subarray(0, 120));
  else socket.close();
}

const asBuffer = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
