// How soon each target has lately given its first token, for routes that prefer the fastest.

/** Weight of the newest reading; some ten readings make the picture. */
const newest = 0.2;
/** A picture older than this is worth nothing: the target is asked again to see, seconds. */
const freshSeconds = 120;

interface Reading {
  average: number;
  at: number;
}

export interface Latency {
  /** Seconds from a request sent to its first token, or to the answer's head where there are no tokens. */
  observe(target: object, seconds: number): void;
  /** Seconds; `undefined` where nothing is known, or nothing recent. */
  expected(target: object): number | undefined;
}

/** `now` is monotonic milliseconds. Targets are held weakly, and new with each reload, which begins anew. */
export function latency(now: () => number): Latency {
  const readings = new WeakMap<object, Reading>();
  const recent = (target: object): Reading | undefined => {
    const reading = readings.get(target);
    return reading && now() - reading.at < freshSeconds * 1000 ? reading : undefined;
  };
  return {
    observe(target, seconds) {
      const reading = recent(target);
      if (reading === undefined) readings.set(target, { average: seconds, at: now() });
      else {
        reading.average += (seconds - reading.average) * newest;
        reading.at = now();
      }
    },
    expected: (target) => recent(target)?.average,
  };
}
