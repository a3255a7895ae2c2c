// The admission queues of all backends; they outlive a reload, and what waits or runs in them with it.
import type { Backend } from "../config/config.ts";
import { type BackendQueue, type QueueMeter, type QueueSettings, queue } from "./queue.ts";

type Queued = Pick<Backend, "name" | "maxConcurrent" | "maxConnections" | "queue">;

export interface Queues {
  /** The queue of a backend; the same before and after a reload. */
  of(backend: Queued): BackendQueue;
  /** The backends of a new configuration, each with its new limits. */
  follow(backends: readonly Queued[]): void;
}

export interface QueuesOptions {
  readonly backends: readonly Queued[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called once for each queue. */
  readonly meterOf: (backend: string) => QueueMeter;
}

export function queues({ backends, now, meterOf }: QueuesOptions): Queues {
  const known = new Map<string, BackendQueue>();

  const of = (backend: Queued): BackendQueue => {
    const { name } = backend;
    const there = known.get(name);
    if (there !== undefined) return there;
    const made = queue({ settings: settingsOf(backend), now, meter: meterOf(name) });
    known.set(name, made);
    return made;
  };

  const follow = (next: readonly Queued[]): void => {
    const names = new Set(next.map(({ name }) => name));
    for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    for (const backend of next) of(backend).configure(settingsOf(backend));
  };

  follow(backends);
  return { of, follow };
}

/** A job without a connection could not run. */
const settingsOf = ({ maxConcurrent, maxConnections, queue: { size, timeout } }: Queued): QueueSettings => ({
  maxConcurrent: Math.min(maxConcurrent ?? maxConnections, maxConnections),
  size,
  timeout,
});
