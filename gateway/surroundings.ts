// What the gateway takes from the world outside, handed in by the composition root so that tests can hold it still.
import type { FillRandom } from "../instrumentation/index.ts";

export interface Clock {
  /** Monotonic milliseconds, with fractions. */
  now(): number;
  /** Unix time in milliseconds, with fractions. */
  wall(): number;
}

export interface Surroundings {
  readonly clock: Clock;
  /** Cryptographically good random bytes. */
  readonly fillRandom: FillRandom;
  /** A random UUID. */
  readonly uuid: () => string;
  /** From 0 up to, not including, 1; for chances and jitter, never for secrets. */
  readonly random: () => number;
}
