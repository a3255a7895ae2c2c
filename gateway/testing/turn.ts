// One turn of the fake backend: the script's hold on the socket while it answers one request.
import { once } from "node:events";
import type { Socket } from "node:net";
import type { ReceivedRequest, TurnEnd } from "./received-request.ts";

/** The client went away while the answer was being sent. */
export class Gone extends Error {
  override readonly name = "Gone";
}

export interface Turn {
  readonly request: ReceivedRequest;
  /** Writes bytes as they are; resolves when the kernel took them (back-pressure). Throws Gone when the client left. */
  send(bytes: Buffer | string): Promise<void>;
  /** Waits for milliseconds or for a promise. Throws Gone as soon as the client leaves. */
  wait(what: number | Promise<unknown>): Promise<void>;
  /** Ends the connection in order (FIN) after what was sent. */
  close(): Promise<void>;
  /** Breaks the connection (RST) after what was sent has left. */
  reset(): Promise<void>;
  /** Whether the connection may serve another request when the answer is through; true unless said otherwise. */
  keep: boolean;
  /** True where the script breaks its own answer off, so that it is recorded as `cut`. */
  cut: boolean;
}

/** A scripted answer. It returns when it is through. */
export type Answer = (turn: Turn) => Promise<void>;

/** Runs one answer and notes on the request how it ended. Throws what the answer throws, but for Gone. */
export async function turn(
  answer: Answer,
  request: ReceivedRequest,
  socket: Socket,
): Promise<{ readonly reusable: boolean }> {
  const before = socket.bytesWritten;
  const sent = () => socket.bytesWritten - before - socket.writableLength;
  const { promise: gone, reject } = Promise.withResolvers<never>();
  gone.catch(() => undefined);
  let over = false;
  const leave = () => {
    if (!over) request.close("left", sent());
    reject(new Gone("the client left"));
  };
  for (const event of ["end", "error", "close"]) socket.once(event, leave);
  if (socket.destroyed || socket.readableEnded) leave();

  const finish = (end: TurnEnd) => {
    over = true;
    request.close(end, sent());
  };
  const self: Turn = {
    request,
    keep: true,
    cut: false,
    async send(bytes) {
      if (bytes.length === 0) return;
      const written = new Promise<void>((resolve, fail) => {
        socket.write(bytes, (error) => (error ? fail(new Gone(error.message)) : resolve()));
      });
      written.catch(() => undefined);
      await Promise.race([written, gone]);
    },
    async wait(what) {
      let timer: NodeJS.Timeout | undefined;
      const waited =
        typeof what === "number"
          ? new Promise<void>((resolve) => {
              timer = setTimeout(resolve, what);
            })
          : what;
      try {
        await Promise.race([waited, gone]);
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      self.keep = false;
      finish(self.cut ? "cut" : "answered");
      socket.end();
      if (!socket.destroyed && !socket.readableEnded) await once(socket, "close").catch(() => undefined);
    },
    async reset() {
      self.keep = false;
      finish("cut");
      socket.resetAndDestroy();
    },
  };

  try {
    await answer(self);
    finish(self.cut ? "cut" : "answered");
  } catch (error) {
    if (!(error instanceof Gone)) {
      finish("cut");
      throw error;
    }
    request.close("left", sent());
    socket.destroy();
    return { reusable: false };
  } finally {
    for (const event of ["end", "error", "close"]) socket.off(event, leave);
  }
  if (!self.keep) socket.end();
  return { reusable: self.keep };
}
