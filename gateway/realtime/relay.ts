// Passes messages between the two ends of a session, each waiting for the other, until both are closed.
import { type RawData, WebSocket } from "ws";
import type { Outcome } from "../../instrumentation/index.ts";
import { outcomeOf } from "../errors.ts";
import { pulse } from "./pulse.ts";

export interface RelayOptions {
  readonly client: WebSocket;
  readonly backend: WebSocket;
  /** See `pulse`. */
  readonly idleSeconds: number;
  /** Looks at a message that the client sent, or the backend: `passed` where it went on. Must not throw. */
  readonly fromClient: (data: Buffer) => void;
  readonly fromBackend: (data: Buffer, binary: boolean, passed: boolean) => void;
  /** Told once how the session ended, as soon as that is known. */
  readonly ended: (outcome: Outcome) => void;
  /** Whether the backend is to be heard on after the client left, and for how long. */
  readonly lingers: () => boolean;
  readonly lingerSeconds: number;
}

export interface Relay {
  /** Resolves when both ends are closed. */
  readonly over: Promise<void>;
  /** Ends the session from here: both ends are told, and cut off when they are slow to answer. `last`: an event for the client before its close. */
  stop(outcome: Outcome, reason: string, last?: { readonly event: string; readonly code: number }): void;
}

/** What may wait for a slow end before the other is paused, bytes. */
const waitingBytes = 1024 * 1024;

/** How long an end may take to answer a close that was not its own wish, milliseconds. */
const partingMillis = 500;

/** Close codes (RFC 6455 §7.4.1); the last two are never sent, but say that none came, or no close at all. */
const [normal, goingAway, internalError, none, vanished] = [1000, 1001, 1011, 1005, 1006];

const nothing = Buffer.alloc(0);

/** Begins to pass messages; both ends are paused until then. */
export function relay(options: RelayOptions): Relay {
  const { client, backend, fromClient, fromBackend, lingers, lingerSeconds } = options;
  let isOver = () => {};
  const over = new Promise<void>((resolve) => {
    isOver = resolve;
  });
  let ended = false;
  /** The client is gone, and the backend is still heard. */
  let lingering: { readonly timer: NodeJS.Timeout; readonly over: () => void } | undefined;

  const end = (outcome: Outcome) => {
    if (ended) return;
    ended = true;
    options.ended(outcome);
  };
  const closed = () => {
    if (client.readyState !== WebSocket.CLOSED || backend.readyState !== WebSocket.CLOSED) return;
    stopPulse();
    clearTimeout(lingering?.timer);
    isOver();
  };
  const letGo = (code: number, reason: Buffer) => {
    clearTimeout(lingering?.timer);
    lingering = undefined;
    close(backend, code === vanished ? goingAway : code, reason);
  };
  const left = (code: number, reason: Buffer) => {
    const over = () => letGo(code, reason);
    if (lingers()) lingering = { over, timer: setTimeout(over, lingerSeconds * 1000) };
    else over();
  };

  const pass = (from: WebSocket, to: WebSocket, look: (data: Buffer, binary: boolean, passed: boolean) => void) => {
    const sent = () => {
      if (from.isPaused && to.bufferedAmount < waitingBytes) from.resume();
    };
    from.on("message", (message: RawData, binary: boolean) => {
      const data = bufferOf(message);
      const passed = to.readyState === WebSocket.OPEN;
      if (passed) {
        to.send(data, { binary }, sent);
        if (to.bufferedAmount >= waitingBytes) from.pause();
      }
      look(data, binary, passed);
    });
  };
  pass(client, backend, (data, _, passed) => {
    if (passed) fromClient(data);
  });
  pass(backend, client, (data, binary, passed) => {
    fromBackend(data, binary, passed);
    if (lingering && !lingers()) lingering.over();
  });

  // Told of frames that are none; the connection is closed for it by then.
  client.on("error", (error) => {
    const tooLarge = "code" in error && error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    end(outcomeOf(tooLarge ? "body_too_large" : "malformed_http", error.message, 101));
    part(client);
    letGo(goingAway, nothing);
  });
  backend.on("error", (error) => {
    end(outcomeOf("bad_answer", error.message, 101));
    part(backend);
    close(client, internalError, nothing);
  });
  client.on("close", (code, reason) => {
    end(code === vanished ? { kind: "abandoned", status: 499 } : { kind: "completed", status: 101, finish: "closed" });
    if (backend.readyState === WebSocket.OPEN) left(code, reason);
    closed();
  });
  backend.on("close", (code, reason) => {
    const orderly = code === normal || code === goingAway || code === none;
    const told = reason.toString() || `The backend closed the session with ${code}.`;
    if (orderly) end({ kind: "completed", status: 101, finish: "closed" });
    else if (code === vanished) end(outcomeOf("broken_answer", "The backend's connection broke off.", 101));
    else end(outcomeOf("error_event", told, 101));
    close(client, code === vanished ? internalError : code, reason);
    closed();
  });

  const stopPulse = pulse([client, backend], options.idleSeconds, (dark) => {
    if (dark === backend) end(outcomeOf("idle_timeout", undefined, 101));
    dark.terminate();
  });
  client.resume();
  backend.resume();

  return {
    over,
    stop(outcome, reason, last) {
      end(outcome);
      if (last && client.readyState === WebSocket.OPEN) client.send(last.event);
      for (const one of [client, backend]) {
        close(one, one === client && last ? last.code : goingAway, Buffer.from(reason));
        part(one);
      }
    },
  };
}

/** Closes with the other end's code and reason; with none where it gave none. */
function close(socket: WebSocket, code: number, reason: Buffer): void {
  if (code === none) socket.close();
  else socket.close(code, reason);
}

/** Cuts an end off that was told of its close and does not answer. */
function part(end: WebSocket): void {
  const timer = setTimeout(() => end.terminate(), partingMillis);
  end.once("close", () => clearTimeout(timer));
}

const bufferOf = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
