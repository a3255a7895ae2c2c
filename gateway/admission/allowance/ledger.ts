// The ledger: counts what requests take of their rules, all or nothing, whoever else counts at the same time.
import type { Amounts, Counting, Rule } from "./rule.ts";

/** What one request took, until it is settled or given back. Ledgers read their own kind only. */
export interface Holding {
  readonly rules: readonly Rule[];
  /** As taken: by estimate. */
  readonly amounts: Amounts;
}

/** `used` stands beside the rules, with what was taken just now, and with what others hold. */
export type Taken =
  | { readonly holding: Holding; readonly used: readonly number[] }
  | {
      readonly holding: undefined;
      readonly used: readonly number[];
      /** The rule that has no room; of several the one that keeps the request waiting longest. */
      readonly refusing: Rule;
      /** Milliseconds until there is room, as far as is known now; without end where waiting does not help. */
      readonly waitMillis: number;
    };

export interface Ledger {
  /** Takes the amounts from every rule, or nothing from any. At once where the counts are in this process. */
  take(rules: readonly Rule[], amounts: Amounts): Taken | Promise<Taken>;
  /** Its place among what is open is free from now on; the rest stands until it is settled or released. A second call, or one after that, does nothing. */
  vacate(holding: Holding): void;
  /** Puts what was really used in the place of the estimate, in the periods in which it was taken. Once. */
  settle(holding: Holding, real: Amounts): void;
  /** Takes back everything, the request's own count too. Once, in place of `settle`. */
  release(holding: Holding): void;
  /**
   * Counts tokens and money that were used already, room or no room; what cannot be told now is told later. Less than
   * nothing is given back, which no minute takes. Never fails.
   */
  add(rules: readonly Counting[], used: Amounts): void;
  /** What is used of each rule now, reservations among it. Rejects where it cannot be known. */
  used(rules: readonly Rule[]): readonly number[] | Promise<readonly number[]>;
  /** Writes down what is to outlive the process. */
  close(): Promise<void>;
}

/** A stream that is full has room when one ends, which may be any moment. */
export const streamWaitMillis = 1_000;
