// Exact money: USD prices as integers of a grain so fine that every unit we price by divides evenly, and their sums.

/** What one counted unit costs. */
export interface Rate {
  /**
   * 3.6e21 grains are one nano-USD: the least common multiple that makes a price with 18 decimals, per million tokens
   * or per hour counted in nanoseconds, an integer.
   */
  readonly grains: bigint;
  /** The same in pico-USD, where that is a whole number, as nearly every price per token is; else NaN. */
  readonly picoUsd: number;
}

const grainsPerNanoUsd = 3_600_000_000_000_000_000_000n;
const grainsPerPicoUsd = grainsPerNanoUsd / 1_000n;
const halfNanoUsd = grainsPerNanoUsd / 2n;

/** Units that prices are quoted per, in the units that we count. */
export const per = {
  one: 1n,
  thousand: 1_000n,
  million: 1_000_000n,
  /** Time is counted in nanoseconds. */
  minute: 60_000_000_000n,
  hour: 3_600_000_000_000n,
} as const;

/**
 * The rate of one counted unit for a price in USD per `unit`. The number is taken as its shortest decimal (what the
 * operator or the price list wrote), never as its binary fraction; digits past the 18th decimal are dropped.
 * Throws a RangeError for anything but a finite number that is not negative.
 */
export function rate(usd: number, unit: bigint): Rate {
  const written = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(usd));
  if (written === null) throw new RangeError(`not a price: ${usd}`);
  const [, whole = "", fraction = "", exponent = "0"] = written;
  const shift = 18 - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  const attoUsd = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  const grains = attoUsd * (grainsPerNanoUsd / (1_000_000_000n * unit));
  return { grains, picoUsd: grains % grainsPerPicoUsd === 0n ? Number(grains / grainsPerPicoUsd) : Number.NaN };
}

/** An amount that grows by whole counts at their rates. Nothing is rounded until it is asked for. */
export interface Sum {
  add(count: number, rate: Rate): void;
  /** Whole nano-USD, half a nano-USD rounded up. */
  nanoUsd(): number;
}

/** Exact, whatever the rates and the counts. */
export class ExactSum implements Sum {
  #grains = 0n;

  add(count: number, { grains }: Rate): void {
    this.#grains += BigInt(count) * grains;
  }

  nanoUsd(): number {
    return Number((this.#grains + halfNanoUsd) / grainsPerNanoUsd);
  }
}

/**
 * Exact as long as doubles are, which is up to 9,000 USD of rates in whole pico-USD, and NaN past that: amounts only
 * grow, so what was once inexact stays past the limit. A tenth of the price of BigInt.
 */
export class QuickSum implements Sum {
  #picoUsd = 0;

  add(count: number, { picoUsd }: Rate): void {
    this.#picoUsd += count * picoUsd;
  }

  nanoUsd(): number {
    const half = this.#picoUsd + 500;
    // Not a rounded quotient: the remainder of two integers is exact, and so is what it leaves.
    return Number.isSafeInteger(half) ? (half - (half % 1_000)) / 1_000 : Number.NaN;
  }
}
