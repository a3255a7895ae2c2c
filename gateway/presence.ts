// Tells when something that the gateway leans on goes away and comes back, each once, and not at every flicker.

export interface Presence {
  /** It is not there; may be told as often as that is noticed. */
  away(error: unknown): void;
  /** It is there. */
  back(): void;
}

export interface PresenceOptions {
  /** Told once for each absence; `silent` is how many before it were too short to be told. */
  readonly gone: (error: unknown, silent: number) => void;
  /** Told after an absence of so many seconds that was told. */
  readonly returned: (seconds: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** An absence sooner than this after one that was told is told only if it lasts until then. */
const quietMillis = 10_000;

/** A flickering connection makes one pair of lines in ten seconds, and a lasting absence is never passed over. */
export function presence({ gone, returned, now }: PresenceOptions): Presence {
  let since: number | undefined;
  let isTold = false;
  let toldAt = Number.NEGATIVE_INFINITY;
  let silent = 0;
  return {
    away(error) {
      const at = now();
      if (since === undefined) {
        since = at;
        isTold = false;
      }
      if (isTold || at - toldAt < quietMillis) return;
      isTold = true;
      toldAt = at;
      gone(error, silent);
      silent = 0;
    },
    back() {
      if (since === undefined) return;
      if (isTold) returned((now() - since) / 1000);
      else silent += 1;
      since = undefined;
    },
  };
}
