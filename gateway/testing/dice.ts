// Repeatable randomness for tests: the same seed gives the same rolls.

export interface Dice {
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
  pick<T>(from: readonly T[]): T;
}

/** Dice by the mulberry32 generator. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const roll = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit: number) => Math.floor(roll() * limit);
  return { below, pick: (from) => from[below(from.length)] as (typeof from)[number] };
}

/** Cuts bytes into chunks at random places; some chunks are empty. */
export function cuts(die: Dice, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  const longest = die.pick([1, 3, 10, 100, 5000]);
  for (let at = 0; at < bytes.length; ) {
    const length = die.below(longest + 1);
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}
