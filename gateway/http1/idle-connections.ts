// The connections to one backend that serve nobody now: the last used first, and closed before the backend closes them.
import type { Connection } from "./connection.ts";

/** Most servers close at 60 s or 75 s, and one that closes under a request costs it a second try. */
const usualSeconds = 30;
/** So much earlier than a backend says that it will, since what it says takes a while to come, and our request to go. */
const marginSeconds = 2;
/** However long a backend says that it will wait. */
const longestSeconds = 600;

export class IdleConnections {
  readonly #connections: Connection[] = [];
  #clock: NodeJS.Timeout | undefined;

  take(): Connection | undefined {
    return this.#connections.pop();
  }

  /** Keeps it until it is taken, is lost, or its time is over. */
  keep(connection: Connection): void {
    const { keepAliveSeconds } = connection;
    connection.idleSeconds =
      keepAliveSeconds === undefined ? usualSeconds : Math.min(keepAliveSeconds - marginSeconds, longestSeconds);
    if (connection.idleSeconds <= 0) {
      connection.destroy();
      return;
    }
    this.#connections.push(connection);
    // One clock for all: a timer for each would be set and cleared with every request.
    this.#clock ??= setInterval(() => this.#tick(), 1000).unref();
  }

  /** Forgets one that is of no use any more. */
  drop(connection: Connection): void {
    const at = this.#connections.lastIndexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
  }

  close(): void {
    for (const connection of this.#connections.splice(0)) connection.destroy();
    this.#stop();
  }

  #tick(): void {
    for (const connection of [...this.#connections]) {
      connection.idleSeconds -= 1;
      if (connection.idleSeconds <= 0) connection.destroy();
    }
    if (this.#connections.length === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#clock);
    this.#clock = undefined;
  }
}
