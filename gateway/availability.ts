// Whether each backend is up, judged from the attempts that go to it anyway.

export interface Availability {
  /** Tells how an attempt went. A caller's own fault (a 4xx) counts as ok: the backend answered. */
  observe(backend: string, ok: boolean): void;
  up(backend: string): boolean;
}

export interface AvailabilityOptions {
  readonly backends: readonly string[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Failures in a row that make a backend count as down. */
  readonly failures?: number;
  /** Without news for so long, a backend that was down is given the benefit of the doubt, seconds. */
  readonly restSeconds?: number;
}

/** A backend is down after some failures in a row, and up again after one success or a time without news. */
export function availability({ backends, now, failures = 3, restSeconds = 30 }: AvailabilityOptions): Availability {
  const states = new Map(backends.map((name) => [name, { inARow: 0, lastAt: 0 }]));
  return {
    observe(backend, ok) {
      const state = states.get(backend);
      if (state === undefined) return;
      state.inARow = ok ? 0 : state.inARow + 1;
      state.lastAt = now();
    },
    up(backend) {
      const state = states.get(backend);
      return state !== undefined && (state.inARow < failures || now() - state.lastAt > restSeconds * 1000);
    },
  };
}
