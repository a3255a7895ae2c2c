// The cells that hold one label set's value each; they refuse what would poison a sum.

/** A value that only grows. `pull` replaces what was added: it is read at each snapshot instead. */
export interface Counter {
  /** Adds a finite amount ≥ 0, in the parts of the unit that the catalogue's `per` names. */
  add(amount: number): void;
  pull(read: () => number): void;
}

export interface Gauge {
  set(value: number): void;
  /** Changes the value by a finite amount, of either sign. */
  add(amount: number): void;
  /** Reads the value at each snapshot. Throwing or returning NaN leaves the label set out of that snapshot. */
  pull(read: () => number): void;
  /** Takes the label set out of every later snapshot; the handle is dead from then on. */
  remove(): void;
}

export interface Histogram {
  /** Notes a finite value ≥ 0. */
  observe(value: number): void;
}

export class CounterCell implements Counter {
  #value = 0;
  #read: (() => number) | undefined;
  #held: boolean;
  readonly #per: number;
  readonly #rejected: () => void;

  constructor(per: number, zeroFirst: boolean, rejected: () => void) {
    this.#per = per;
    this.#held = zeroFirst;
    this.#rejected = rejected;
  }

  add(amount: number): void {
    const sum = this.#value + amount;
    if (amount >= 0 && sum < Number.POSITIVE_INFINITY) this.#value = sum;
    else this.#rejected();
  }

  pull(read: () => number): void {
    this.#read = read;
  }

  /** The value in units: 0 the first time where the metric asks for that. */
  take(): number {
    if (this.#held) {
      this.#held = false;
      return 0;
    }
    // A reading that fails, or goes back, leaves the last good one: a counter never falls.
    if (this.#read) {
      const reading = attempt(this.#read);
      if (reading >= this.#value && reading < Number.POSITIVE_INFINITY) this.#value = reading;
      else this.#rejected();
    }
    return this.#value / this.#per;
  }
}

export class GaugeCell implements Gauge {
  #value = 0;
  #read: (() => number) | undefined;
  readonly #rejected: () => void;
  readonly #removed: () => void;

  constructor(rejected: () => void, removed: () => void) {
    this.#rejected = rejected;
    this.#removed = removed;
  }

  set(value: number): void {
    if (Number.isFinite(value)) this.#value = value;
    else this.#rejected();
  }

  add(amount: number): void {
    this.set(this.#value + amount);
  }

  pull(read: () => number): void {
    this.#read = read;
  }

  remove(): void {
    this.#removed();
  }

  /** The value, or `undefined` where it could not be read. */
  take(): number | undefined {
    if (!this.#read) return this.#value;
    const reading = attempt(this.#read);
    if (Number.isFinite(reading)) return reading;
    this.#rejected();
    return undefined;
  }
}

export class HistogramCell implements Histogram {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;
  readonly #rejected: () => void;

  constructor(bounds: Float64Array, rejected: () => void) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
    this.#rejected = rejected;
  }

  observe(value: number): void {
    const sum = this.#sum + value;
    if (!(value >= 0 && sum < Number.POSITIVE_INFINITY)) {
      this.#rejected();
      return;
    }
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) index++;
    (this.#counts[index] as number)++;
    this.#sum = sum;
  }

  take(): { readonly count: number; readonly sum: number; readonly counts: readonly number[] } {
    const counts = Array.from(this.#counts);
    return { count: counts.reduce((total, count) => total + count, 0), sum: this.#sum, counts };
  }
}

function attempt(read: () => number): number {
  try {
    return read();
  } catch {
    return Number.NaN;
  }
}
