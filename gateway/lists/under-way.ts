// What is under way for a list, side by side, so that it can be ended together.
import type { Running } from "../passage.ts";

/** Something that can be ended at once. */
export interface Cancellable {
  cancel(): void;
}

export class UnderWay implements Running {
  readonly #all = new Set<Cancellable>();
  #isStopped = false;

  /** Nothing more is to begin. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Gives what is to be called when it is over. */
  begins(one: Cancellable): () => void {
    this.#all.add(one);
    return () => void this.#all.delete(one);
  }

  leave(): void {
    this.#isStopped = true;
    for (const one of this.#all) one.cancel();
  }

  stop(): void {
    this.leave();
  }
}
