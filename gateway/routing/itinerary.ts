// The targets that one request tries, in order, and what is left of them.
import { ordered, type Standing } from "./order.ts";
import type { Route, Target } from "./route.ts";

/** Which targets may be asked at all. */
export interface Gate {
  /** May a request go there now? Takes a trial place where the breaker gives only a few. */
  admits(target: Target): boolean;
  /** The same without taking anything. */
  mayAdmit(target: Target): boolean;
}

export class Itinerary {
  readonly #route: Route;
  readonly #standing: Standing;
  readonly #gate: Gate;
  #order: readonly Target[];
  #at = 0;
  /** Until when some are left alone, milliseconds. */
  #resting: Map<Target, number> | undefined;
  /** Those whose time in this round is still to come: they rest, but not for too long. */
  #later: Target[] = [];
  /** The first that was asked: the only one that may have had the client's own key. */
  #first: Target | undefined;
  readonly #now: () => number;
  readonly #model: string | undefined;

  /** `now` is monotonic milliseconds; `model` what the client asked for. */
  constructor(route: Route, standing: Standing, gate: Gate, now: () => number, model: string | undefined) {
    this.#route = route;
    this.#standing = standing;
    this.#gate = gate;
    this.#now = now;
    this.#model = model;
    this.#order = ordered(route, standing, model);
  }

  /** The next target that may be asked now; `undefined` when there is none, or not yet. */
  next(): Target | undefined {
    while (this.#at < this.#order.length) {
      const target = this.#order[this.#at++];
      if (target === undefined || !this.#isOpenTo(target)) continue;
      const rest = this.#restOf(target);
      if (rest > 0) {
        if (rest <= this.#longest) this.#later.push(target);
        continue;
      }
      if (!this.#gate.admits(target)) continue;
      this.#first ??= target;
      return target;
    }
    return undefined;
  }

  /** Whether another could be asked in this round. */
  get hasMore(): boolean {
    for (let at = this.#at; at < this.#order.length; at += 1) {
      const target = this.#order[at];
      if (target === undefined || this.#restOf(target) > this.#longest || !this.#isOpenTo(target)) continue;
      if (this.#gate.mayAdmit(target)) return true;
    }
    return this.hasLater;
  }

  /** Whether this round goes on for some that rest. */
  get hasLater(): boolean {
    return this.#later.length > 0;
  }

  /** Leaves a target alone for so many milliseconds; for ever, if they have no end. */
  rest(target: Target, millis: number): void {
    this.#resting ??= new Map();
    this.#resting.set(target, this.#now() + millis);
  }

  /** How long until the first target may be asked, in this round or else the next, milliseconds; 0 for at once. */
  get soonest(): number {
    let soonest = Number.POSITIVE_INFINITY;
    for (const target of this.hasLater ? this.#later : this.#route.targets) {
      if (this.#isOpenTo(target)) soonest = Math.min(soonest, this.#restOf(target));
    }
    return soonest;
  }

  /** Goes on with those of this round that rested, or else begins another, in the order of that moment. */
  again(): void {
    this.#order = this.hasLater ? this.#later : ordered(this.#route, this.#standing, this.#model);
    this.#later = [];
    this.#at = 0;
  }

  /** Who rests for longer than is waited is left out of a round, milliseconds. */
  get #longest(): number {
    return this.#route.retries.maxBackoff * 1000;
  }

  #restOf(target: Target): number {
    const until = this.#resting?.get(target);
    if (until === undefined) return 0;
    const left = until - this.#now();
    // Timers know whole milliseconds only.
    return left > 1 ? left : 0;
  }

  /** A client's own key was meant for one backend, and goes to no other. */
  #isOpenTo({ upstream }: Target): boolean {
    return upstream.ownKey || this.#first === undefined || this.#first.upstream === upstream;
  }
}
