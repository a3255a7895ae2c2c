// A request body on its way through: counted, limited, looked at, with back-pressure, and never tied to the client's socket.
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { ExchangeDraft } from "../instrumentation/index.ts";
import type { Limits } from "./config/config.ts";
import { ClientLeft, GatewayError } from "./errors.ts";
import type { Running } from "./passage.ts";
import { linger } from "./reply.ts";

/** Looks at the bytes that pass. */
interface UploadWatch {
  /** What it saw must not go on: the upload fails before the bytes that it saw last. */
  readonly contradicts?: boolean;
  write(chunk: Buffer): void;
  end(): void;
}

export interface Upload {
  /**
   * What goes to the backend. Destroying it (as is done when the backend fails) leaves the client's connection whole,
   * so that the client can still be told.
   */
  readonly body: Readable;
  /** Resolves when `enough()` holds, the body is complete, or `headBytes` have come; rejects as the body does. */
  until(enough: () => boolean, headBytes: number): Promise<void>;
}

export interface UploadOptions {
  readonly req: IncomingMessage;
  readonly draft: ExchangeDraft;
  readonly limits: Limits;
  readonly limit: number;
  readonly now: () => number;
  readonly watch?: UploadWatch;
  /** A watch that throws is told of, once, and then left alone; the bytes go on. */
  readonly watchFailed: (error: unknown) => void;
  /** Is told of the wait for the body. */
  readonly passage: { running: Running | undefined };
}

/** Starts reading the request's body. */
export function upload(options: UploadOptions): Upload {
  const { req, draft, limits, limit, now } = options;
  let { watch } = options;
  let settle: ((error?: Error) => void) | undefined;
  let enough: () => boolean = () => true;
  let headBytes = 0;
  let done = false;

  const body = new Readable({
    highWaterMark: 64 * 1024,
    read() {
      req.resume();
    },
    destroy(error, callback) {
      finish();
      linger(req);
      callback(error);
    },
  });
  const timer =
    limits.receiveSeconds > 0
      ? setTimeout(() => fail(new GatewayError("slow_body")), limits.receiveSeconds * 1000)
      : undefined;
  timer?.unref();

  const look = (act: (at: UploadWatch) => void) => {
    if (watch === undefined) return;
    try {
      act(watch);
    } catch (error) {
      watch = undefined;
      options.watchFailed(error);
    }
  };
  const onData = (chunk: Buffer) => {
    draft.requestBytes += chunk.length;
    if (draft.requestBytes > limit) {
      fail(
        new GatewayError(
          "body_too_large",
          `The request body is larger than the ${limit} bytes that this gateway takes here.`,
        ),
      );
      return;
    }
    look((at) => at.write(chunk));
    if (watch?.contradicts) {
      fail(new GatewayError("ambiguous_form"));
      return;
    }
    const room = body.push(chunk);
    if (settle && (enough() || draft.requestBytes >= headBytes)) settle();
    // While the head is looked at, nobody reads yet; what is held back is bounded by headBytes.
    if (!room && !settle) req.pause();
  };
  const onEnd = () => {
    look((at) => at.end());
    finish();
    settle?.();
    body.push(null);
    // The backend has the whole request now; what follows is its time.
    draft.isReceived = true;
    const { connectedAt, firstByteAt } = draft.attempts.at(-1) ?? {};
    if (connectedAt !== undefined && firstByteAt === undefined) draft.enter("firstByte", now());
  };
  const onClose = () => fail(new ClientLeft());
  const finish = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    // Its error is still to be heard: it may come after whoever left for the same reason.
    req.off("data", onData).off("end", onEnd).off("close", onClose);
  };
  const fail = (error: Error) => {
    if (done) return;
    finish();
    if (settle) settle(error);
    body.destroy(error);
  };
  body.on("error", () => {});
  req.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  // A client that leaves ends it by itself.
  options.passage.running = { leave: () => {}, stop: () => fail(new GatewayError("shutting_down")) };

  return {
    body,
    until: (test, bytes) =>
      new Promise((resolve, reject) => {
        if (test() || done) {
          resolve();
          return;
        }
        enough = test;
        headBytes = bytes;
        settle = (error) => {
          settle = undefined;
          if (error) reject(error);
          else resolve();
        };
      }),
  };
}
