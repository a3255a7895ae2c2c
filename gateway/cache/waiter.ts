// A request that waits for the answer that another has asked for already.
import { ClientLeft, GatewayError } from "../errors.ts";
import type { Passage, Running } from "../passage.ts";
import type { Flight, Landing, Waiting } from "./flights.ts";

export class Waiter implements Waiting, Running {
  /** Rejects with ClientLeft, or a GatewayError where the gateway goes down. */
  readonly over: Promise<Landing>;
  #flight: Flight | undefined;
  #resolve: (landing: Landing) => void = () => {};
  #reject: (why: Error) => void = () => {};

  constructor() {
    this.over = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** From here on the client's leaving, and the gateway's end, end the wait. */
  boards(flight: Flight, passage: Passage): void {
    this.#flight = flight;
    passage.running = this;
    if (passage.left) this.leave();
  }

  landed(landing: Landing): void {
    this.#resolve(landing);
  }

  leave(): void {
    this.#quit(new ClientLeft());
  }

  stop(): void {
    this.#quit(new GatewayError("shutting_down"));
  }

  #quit(why: Error): void {
    this.#flight?.waiting.delete(this);
    this.#reject(why);
  }
}
