// Waiting that ends early when its signal aborts.

/** Resolves after some milliseconds, or when the signal aborts. */
export function pause(millis: number, signal?: AbortSignal): Promise<void> {
  if (millis <= 0 || signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, millis);
    signal?.addEventListener("abort", over);
  });
}

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
