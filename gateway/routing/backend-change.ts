// What changes in how a backend stands: its breaker's state, and the verdict of its health check.
import type { FailureReason, RefusalReason } from "../../instrumentation/index.ts";

/** Why an attempt, or a check, counts as failed: in the words of attempts. */
export interface Cause {
  readonly reason?: FailureReason | RefusalReason;
  /** What the backend answered, where it did. */
  readonly status?: number;
}

export type BackendChange =
  | {
      readonly kind: "opened";
      /** Of the last failure. */
      readonly cause: Cause;
      /** In a row, or as many of the window as opened it. */
      readonly failures: number;
      /** It stays open for so long. */
      readonly seconds: number;
    }
  /** The first request is let through to try it. */
  | { readonly kind: "half_open" }
  /** `seconds`: it was not closed for so long. */
  | { readonly kind: "closed"; readonly seconds: number }
  | { readonly kind: "down"; readonly cause: Cause; readonly failures: number }
  /** `seconds`: it was down for so long. */
  | { readonly kind: "up"; readonly seconds: number };
