// Exact money: USD prices as integers of a grain so fine that every unit we price by divides evenly.

/**
 * An amount or a rate in grains. 3.6e21 grains are one nano-USD: the least common multiple that makes a price
 * with 18 decimals, per million tokens or per hour counted in nanoseconds, an integer. Sums are exact, so an
 * amount is rounded once, at its end.
 */
export type Grains = bigint;

const grainsPerNanoUsd = 3_600_000_000_000_000_000_000n;
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
export function rate(usd: number, unit: bigint): Grains {
  const written = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(usd));
  if (written === null) throw new RangeError(`not a price: ${usd}`);
  const [, whole = "", fraction = "", exponent = "0"] = written;
  const shift = 18 - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  const attoUsd = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  return attoUsd * (grainsPerNanoUsd / (1_000_000_000n * unit));
}

/** Whole nano-USD, half a nano-USD rounded up. */
export const nanoUsd = (amount: Grains): number =>
  amount === 0n ? 0 : Number((amount + halfNanoUsd) / grainsPerNanoUsd);
