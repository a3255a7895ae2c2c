// What is under way for a list, side by side, so that it can be ended together.
import type { Running } from "../passage.ts";

/** Something that can be ended at once. */
export interface Cancellable {
  cancel(): void;
}

export class UnderWay implements Running {
  readonly #all = new Set<Cancellable>();

  /** Gives what is to be called when it is over. */
  begins(one: Cancellable): () => void {
    this.#all.add(one);
    return () => void this.#all.delete(one);
  }

  leave(): void {
    for (const one of this.#all) one.cancel();
  }

  stop(): void {
    this.leave();
  }
}
