// Chance, as the demo backend uses it: from the randomness it is given, or from a seed so that it repeats.

export interface Dice {
  /** From 0 up to, not including, 1. */
  next(): number;
  between(low: number, high: number): number;
  /** A whole number, both ends included. */
  whole(low: number, high: number): number;
  /** One of a list. Throws a RangeError for an empty one. */
  pick<T>(list: readonly T[]): T;
  /** The prefix and 24 letters or digits, as OpenAI's ids are made. */
  id(prefix: string): string;
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export function dice(next: () => number): Dice {
  const whole = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole,
    pick(list) {
      for (const chosen of list.slice(whole(0, list.length - 1))) return chosen;
      throw new RangeError("nothing to pick from");
    },
    id: (prefix) => prefix + Array.from({ length: 24 }, () => letters[whole(0, letters.length - 1)]).join(""),
  };
}

/** Numbers in [0, 1) that depend on the seed alone: a Weyl sequence through the 32-bit finaliser of MurmurHash3. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** A 32-bit number of a text (FNV-1a over UTF-16 units), going on from an earlier one. */
export function hash(text: string, from = 0x811c9dc5): number {
  let value = from;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
