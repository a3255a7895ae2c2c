// Whether each backend is up, judged from the attempts that go to it anyway.

export interface Availability {
  /**
   * Tells how an attempt went. Not ok: unreachable, timed out, a 5xx, or our own key refused. Ok: any other answer,
   * a 4xx for a bad request included, for it is the caller's fault. Say nothing of an attempt that the client ended.
   */
  observe(backend: string, ok: boolean): void;
  /** False for a backend that is not configured. */
  up(backend: string): boolean;
  /** The backends of a new configuration: what is known of those that stay is kept. */
  follow(backends: readonly string[]): void;
}

export interface AvailabilityOptions {
  readonly backends: readonly string[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Failures in a row that make a backend count as down. */
  readonly failures?: number;
  /** Failures further apart than this are not in a row, seconds. Longer than a backend that hangs takes to fail. */
  readonly windowSeconds?: number;
  /** Without news for so long, a backend that was down is given the benefit of the doubt, seconds. */
  readonly restSeconds?: number;
}

/**
 * A backend is down after some failures in a row, and up again after one success or a time without news. A failure
 * soon after that time puts it down again at once.
 */
export function availability({
  backends,
  now,
  failures = 3,
  windowSeconds = 900,
  restSeconds = 30,
}: AvailabilityOptions): Availability {
  const fresh = () => ({ inARow: 0, lastAt: now() });
  let states = new Map(backends.map((name) => [name, fresh()]));
  return {
    follow(next) {
      states = new Map(next.map((name) => [name, states.get(name) ?? fresh()]));
    },
    observe(backend, ok) {
      const state = states.get(backend);
      if (state === undefined) return;
      const at = now();
      const follows = at - state.lastAt <= windowSeconds * 1000;
      state.inARow = ok ? 0 : (follows ? state.inARow : 0) + 1;
      state.lastAt = at;
    },
    up(backend) {
      const state = states.get(backend);
      return state !== undefined && (state.inARow < failures || now() - state.lastAt >= restSeconds * 1000);
    },
  };
}
