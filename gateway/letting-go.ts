// Lets an attempt go for which nobody waits any more.
import type { Attempt } from "./attempt.ts";

/** Cancels it unless it ends by itself within so many seconds. */
export function letGo(attempt: Attempt, seconds: number): void {
  if (seconds <= 0) {
    attempt.cancel();
    return;
  }
  const timer = setTimeout(() => attempt.cancel(), seconds * 1000);
  void attempt.ended.then(() => clearTimeout(timer));
}
