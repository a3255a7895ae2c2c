// One request's turn at a backend: its wait in the queue there, and the slot that it holds until it is done with it.
import { tenantOf } from "../admission/identity.ts";
import { ClientLeft, GatewayError } from "../errors.ts";
import type { Sending } from "../sending.ts";
import type { Slot, Waiting } from "./queue.ts";
import type { Target } from "./route.ts";

export class Turn {
  readonly #sending: Sending;
  #slot: Slot | undefined;

  constructor(sending: Sending) {
    this.#sending = sending;
  }

  get isTaken(): boolean {
    return this.#slot !== undefined;
  }

  /** At once where a slot is free. Throws, or rejects with, GatewayError queue_full, queue_timeout, or ClientLeft. */
  take({ upstream }: Target): void | Promise<void> {
    const { identity, passage } = this.#sending;
    const { operation } = passage.receiver;
    const place = upstream.queue.enter({ tenant: tenantOf(identity), priority: identity.priority, operation });
    if (place.isWaiting) return this.#waits(place);
    this.#slot = place;
  }

  /** Gives the slot back; nothing where there is none. */
  end(): void {
    this.#slot?.release();
    this.#slot = undefined;
  }

  async #waits(place: Waiting): Promise<void> {
    const { passage, options } = this.#sending;
    const { now } = options.surroundings.clock;
    passage.draft.enter("queue", now());
    passage.running = {
      leave: () => place.leave(new ClientLeft()),
      stop: () => place.leave(new GatewayError("shutting_down")),
    };
    if (passage.left) passage.running.leave();
    try {
      this.#slot = await place.slot;
    } finally {
      passage.draft.enter("overhead", now());
    }
    // It may have left in the very moment in which its turn came.
    passage.goOn();
  }
}
