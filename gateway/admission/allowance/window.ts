// A sliding minute: how much was counted in the last sixty seconds, exact to the second and never too low.

/** Seconds that a count stays in the window. */
export const windowSeconds = 60;
/** The second that runs now, and sixty whole ones before it: nothing leaves before it is a full minute old. */
const slots = windowSeconds + 1;
/** Whole seconds after which what is counted now has left for sure. */
export const leavesAfterSeconds = slots;

/**
 * In no sixty seconds is more admitted than the limit. A token bucket would admit up to twice that (a full bucket, and
 * what flows in meanwhile), and so would minutes by the clock at their border. Sixty-one numbers cost less than a list
 * of every request.
 */
export class SlidingMinute {
  readonly #counts = new Float64Array(slots);
  #second = 0;
  #used = 0;

  /** What is counted at this time (Unix or monotonic milliseconds, but always the same clock). */
  used(now: number): number {
    this.#advance(now);
    return this.#used;
  }

  /** Counts an amount; gives the second in which it was counted, to take some of it back later. */
  add(amount: number, now: number): number {
    this.#advance(now);
    this.#counts[this.#second % slots] = (this.#counts[this.#second % slots] ?? 0) + amount;
    this.#used += amount;
    return this.#second;
  }

  /** Takes back what was counted in that second, unless it has left the window by itself. */
  takeBack(amount: number, second: number, now: number): void {
    this.#advance(now);
    if (this.#second - second >= slots) return;
    const at = second % slots;
    const counted = this.#counts[at] ?? 0;
    const back = Math.min(amount, counted);
    this.#counts[at] = counted - back;
    this.#used -= back;
  }

  /** Milliseconds until so much has left the window. 0 where that is nothing; a whole minute where so much is not in it. */
  waitFor(amount: number, now: number): number {
    this.#advance(now);
    if (amount <= 0) return 0;
    let left = amount;
    for (let age = slots - 1; age >= 0; age--) {
      const second = this.#second - age;
      if (second < 0) continue;
      left -= this.#counts[second % slots] ?? 0;
      if (left <= 0) return (second + slots) * 1000 - now;
    }
    return windowSeconds * 1000;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const passed = second - this.#second;
    // A clock that was set back finds the window as it was.
    if (passed <= 0) return;
    this.#second = second;
    if (this.#used === 0) return;
    if (passed >= slots) {
      this.#counts.fill(0);
      this.#used = 0;
      return;
    }
    for (let one = second - passed + 1; one <= second; one++) {
      this.#used -= this.#counts[one % slots] ?? 0;
      this.#counts[one % slots] = 0;
    }
  }
}
