// Sends a streamed request body as it comes, no faster than the backend takes it.
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errors } from "undici";

export interface BodyPumpOptions {
  readonly socket: Socket;
  readonly body: Readable;
  /** Octets that were announced; `undefined`: it goes in chunks. */
  readonly length: number | undefined;
  readonly sender: BodySender;
}

/** Told of each time that the backend stops to take more, and goes on; and once how it went. */
interface BodySender {
  stuck(): void;
  unstuck(): void;
  sent(): void;
  destroy(error: Error): void;
}

export class BodyPump {
  readonly #options: BodyPumpOptions;
  /** Octets that are still to come. */
  #left: number | undefined;
  #isOver = false;

  constructor(options: BodyPumpOptions) {
    const { socket, body, length } = options;
    this.#options = options;
    this.#left = length;
    // What failed before has told nobody here.
    if (body.destroyed) process.nextTick(this.#gone);
    body.on("data", this.#data).on("end", this.#end).on("error", this.#fail).on("close", this.#gone);
    socket.on("drain", this.#drain);
  }

  /** Nobody takes the rest. */
  stop(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#options.body.destroy();
  }

  readonly #data = (chunk: Buffer): void => {
    const { socket, body, sender } = this.#options;
    if (this.#isOver || chunk.length === 0) return;
    if (this.#left === undefined) {
      socket.cork();
      socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
      socket.write(chunk);
      socket.write("\r\n", "latin1");
      socket.uncork();
    } else {
      this.#left -= chunk.length;
      if (this.#left < 0) {
        this.#fail(new errors.RequestContentLengthMismatchError());
        return;
      }
      socket.write(chunk);
    }
    if (!socket.writableNeedDrain) return;
    body.pause();
    sender.stuck();
  };

  readonly #drain = (): void => {
    this.#options.sender.unstuck();
    this.#options.body.resume();
  };

  readonly #end = (): void => {
    if (this.#isOver) return;
    const { socket, sender } = this.#options;
    if (this.#left !== undefined && this.#left > 0) {
      this.#fail(new errors.RequestContentLengthMismatchError());
      return;
    }
    if (this.#left === undefined) socket.write("0\r\n\r\n", "latin1");
    this.#finish();
    sender.sent();
  };

  readonly #gone = (): void => this.#fail(this.#options.body.errored ?? new errors.RequestAbortedError());

  readonly #fail = (error: Error): void => {
    if (this.#isOver) return;
    this.#finish();
    this.#options.body.destroy();
    this.#options.sender.destroy(error);
  };

  #finish(): void {
    const { socket, body } = this.#options;
    this.#isOver = true;
    // Its error is still to be heard, or it would be nobody's.
    body.off("data", this.#data).off("end", this.#end).off("close", this.#gone);
    socket.off("drain", this.#drain);
  }
}
