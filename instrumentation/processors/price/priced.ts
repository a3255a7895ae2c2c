// What of an exchange decides about its price: all that is asked of one that is only imagined.
import type { Attempt, Exchange } from "../../exchange.ts";

/** `attempts`: the last one answered. */
export interface Priced
  extends Pick<
    Exchange,
    "operation" | "openedAt" | "model" | "tokens" | "media" | "usageSource" | "cache" | "outcome"
  > {
  readonly attempts: readonly PricedAttempt[];
}

export type PricedAttempt = Pick<
  Attempt,
  "backend" | "provider" | "model" | "status" | "result" | "seconds" | "connectSeconds"
>;
