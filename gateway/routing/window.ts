// How many tries succeeded and failed lately: counts in a ring of time slices, so that a try costs no allocation.

/** The time looked at slides on by this many steps. */
const slices = 10;

export class Window {
  readonly #sliceMillis: number;
  /** Which slice of time each place of the ring stands for. */
  readonly #times = new Float64Array(slices).fill(-1);
  readonly #good = new Uint32Array(slices);
  readonly #bad = new Uint32Array(slices);

  constructor(seconds: number) {
    this.#sliceMillis = (seconds * 1000) / slices;
  }

  /** Notes a try at a time in monotonic milliseconds. */
  note(ok: boolean, at: number): void {
    const time = Math.floor(at / this.#sliceMillis);
    const place = time % slices;
    if (this.#times[place] !== time) {
      this.#times[place] = time;
      this.#good[place] = 0;
      this.#bad[place] = 0;
    }
    const counts = ok ? this.#good : this.#bad;
    counts[place] = (counts[place] ?? 0) + 1;
  }

  /** How many failed lately, where at least so many were tried and at least this share of them failed; else 0. */
  failures(ratio: number, minimum: number, at: number): number {
    const oldest = Math.floor(at / this.#sliceMillis) - slices + 1;
    let bad = 0;
    let all = 0;
    for (let place = 0; place < slices; place += 1) {
      if ((this.#times[place] ?? -1) < oldest) continue;
      bad += this.#bad[place] ?? 0;
      all += (this.#bad[place] ?? 0) + (this.#good[place] ?? 0);
    }
    return all >= minimum && bad >= ratio * all ? bad : 0;
  }

  clear(): void {
    this.#times.fill(-1);
  }
}
