// The metrics of a backend's admission queue.
import type { Registry } from "../instrumentation/index.ts";
import { type QueueFailure, type QueueMeter, queueFailures } from "./routing/queue.ts";

/** The gateway's own service name, and the names of its queues. */
export const queueLabels = (backend: string) =>
  ({ service: "gateway", queue_name: `backend:${backend}` }) satisfies Record<string, string>;

/** Its counters and histograms exist at 0 at once; jobs only of the operation that nearly every backend serves. */
export function queueMeter(cells: Registry, backend: string): QueueMeter {
  const labels = queueLabels(backend);
  const { queue_name } = labels;
  cells.zero("gateway_queue_wait_seconds", { queue_name });
  cells.zero("queue_job_duration_seconds", { ...labels, job_type: "chat" });
  for (const error_type of queueFailures) cells.zero("queue_failures_total", { ...labels, error_type });
  const waits = cells.histogram("gateway_queue_wait_seconds", { queue_name });
  const durations = new Map<string, ReturnType<Registry["histogram"]>>();
  return {
    waited: (seconds) => waits.observe(seconds),
    ran(operation, seconds) {
      let duration = durations.get(operation);
      if (duration === undefined) {
        duration = cells.histogram("queue_job_duration_seconds", { ...labels, job_type: operation });
        durations.set(operation, duration);
      }
      duration.observe(seconds);
    },
    failed: (why: QueueFailure) => cells.counter("queue_failures_total", { ...labels, error_type: why }).add(1),
  };
}
