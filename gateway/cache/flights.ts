// Requests that ask the same at a time: one asks the backend, and the others wait for its whole answer.
import type { Entry } from "./entry.ts";

/** So long at most a request waits for another's answer; then it is sent on by itself. */
const longestWaitMillis = 60_000;

/** What a wait came to: the answer; or to ask for it, in the place of the one that failed or beside it. */
export type Landing = Entry | "leads" | "alone";

/** A request that waits. Told once, unless it goes away before. */
export interface Waiting {
  landed(landing: Landing): void;
}

/** One question that is being asked. */
export interface Flight {
  readonly key: string;
  readonly waiting: Set<Waiting>;
  timer: NodeJS.Timeout | undefined;
}

export class Flights {
  readonly #open = new Map<string, Flight>();

  /** A flight that the caller leads and has to land; `undefined` where another leads one already. */
  lead(key: string): Flight | undefined {
    if (this.#open.has(key)) return undefined;
    const flight: Flight = { key, waiting: new Set(), timer: undefined };
    this.#open.set(key, flight);
    return flight;
  }

  /** Waits for the flight of this key, which there must be: `lead` said so. Gives it. Throws a TypeError where there is none. */
  join(key: string, waiting: Waiting): Flight {
    const flight = this.#open.get(key);
    if (flight === undefined) throw new TypeError("nobody asks this");
    flight.waiting.add(waiting);
    flight.timer ??= setTimeout(() => this.#release(flight), longestWaitMillis).unref();
    return flight;
  }

  /**
   * The leader's request is over: with an answer for all, or with none. Then the next one leads, since another time it
   * may go well; but where it could not (`isHopeless`: an answer too large to be kept, or a refusal) all go by themselves.
   */
  land(flight: Flight, entry: Entry | undefined, isHopeless: boolean): void {
    if (this.#open.get(flight.key) !== flight) return;
    if (entry === undefined && !isHopeless) {
      const [next] = flight.waiting;
      if (next !== undefined) {
        flight.waiting.delete(next);
        next.landed("leads");
        return;
      }
    }
    this.#release(flight, entry);
  }

  #release(flight: Flight, entry?: Entry): void {
    if (this.#open.get(flight.key) === flight) this.#open.delete(flight.key);
    clearTimeout(flight.timer);
    for (const one of flight.waiting) one.landed(entry ?? "alone");
    flight.waiting.clear();
  }
}
