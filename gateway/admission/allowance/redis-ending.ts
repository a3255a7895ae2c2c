// How what a request has taken comes to its end in Redis: what of it is told to each of its counters.
import { sortOf, ttlOf } from "./redis-counter.ts";
import type { Settlements } from "./redis-settlements.ts";
import { type Amounts, amountOf, type Counting } from "./rule.ts";

/** What was taken, as far as its end needs it. */
export interface Ended {
  readonly rules: readonly Counting[];
  readonly amounts: Amounts;
  readonly keys: readonly string[];
  /** Redis' time at which it was taken, ms; `undefined` where it was taken without Redis. */
  readonly takenAt: number | undefined;
  /** It has its place among what is open. */
  readonly isOpen: boolean;
}

interface Ending {
  readonly real: Amounts;
  /** That count. */
  readonly requests: number;
  /** Redis holds it under our present name. */
  readonly isHeld: boolean;
  /** Redis' time, ms. */
  readonly now: number;
}

export function tell(settlements: Settlements, ended: Ended, { real, requests, isHeld, now }: Ending): void {
  const { rules, amounts, keys, takenAt, isOpen } = ended;
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at] as Counting;
    const key = keys[at] as string;
    const sort = sortOf(rule);
    const held = amountOf(rule, amounts);
    const used = rule.counted === "requests" ? requests : amountOf(rule, real);
    if (sort === "minute") {
      const change = takenAt === undefined ? used : used - held;
      const second = change < 0 && takenAt !== undefined ? Math.floor(takenAt / 1000) : -1;
      settlements.add(key, sort, { held: 0, used: change, second });
    } else if (sort === "period") {
      settlements.add(key, sort, { held: isHeld ? held : 0, used, ttlMillis: ttlOf(rule, now) });
    }
  }
  if (isOpen) tellPlaces(settlements, ended, isHeld, now);
}

/** Gives back its place among what is open, and nothing else. */
export function tellPlaces(settlements: Settlements, { rules, keys }: Ended, isHeld: boolean, now: number): void {
  if (!isHeld) return;
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at] as Counting;
    if (sortOf(rule) === "open")
      settlements.add(keys[at] as string, "open", { held: 1, used: 0, ttlMillis: ttlOf(rule, now) });
  }
}
