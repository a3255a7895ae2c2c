// The gauges of backends: whether each is usable, how much it works on, and what waits for it.
import type { Gauge, Registry } from "../instrumentation/index.ts";
import { queueLabels } from "./queue-meter.ts";
import type { BreakerState } from "./routing/breaker.ts";
import type { BackendState } from "./telemetry.ts";

const breakerStates = ["closed", "open", "half_open"] as const satisfies readonly BreakerState[];

interface Gauges {
  readonly up: Gauge;
  readonly inflight: Gauge;
  readonly limit: Gauge;
  readonly depth: Gauge;
  readonly active: Gauge;
  /** In the order of `breakerStates`. */
  readonly breaker: readonly Gauge[];
}

/** Sets each backend's gauges from its present state, and lets those of a backend that is no more go. */
export function backendGauges(cells: Registry): (states: readonly BackendState[]) => void {
  const gauges = new Map<string, Gauges>();
  return (states) => {
    for (const [name, { breaker, ...own }] of gauges) {
      if (states.some((state) => state.name === name)) continue;
      for (const gauge of [...Object.values(own), ...breaker]) gauge.remove();
      gauges.delete(name);
    }
    for (const { name, up, inflight, limit, breaker, queue } of states) {
      const own = gauges.get(name) ?? gaugesOf(cells, name);
      gauges.set(name, own);
      own.up.set(up ? 1 : 0);
      own.inflight.set(inflight);
      own.limit.set(limit);
      own.depth.set(queue.depth);
      own.active.set(queue.active);
      for (const [index, state] of breakerStates.entries()) own.breaker[index]?.set(state === breaker ? 1 : 0);
    }
  };
}

function gaugesOf(cells: Registry, backend: string): Gauges {
  const labels = queueLabels(backend);
  const { queue_name } = labels;
  // Known from config: clients' own label sets leave them their room.
  cells.zero("gateway_queue_depth", { queue_name });
  cells.zero("active_jobs_total", labels);
  return {
    up: cells.gauge("gateway_backend_up", { backend }),
    inflight: cells.gauge("gateway_backend_inflight", { backend }),
    limit: cells.gauge("gateway_backend_inflight_limit", { backend }),
    depth: cells.gauge("gateway_queue_depth", { queue_name }),
    active: cells.gauge("active_jobs_total", labels),
    breaker: breakerStates.map((state) => cells.gauge("gateway_backend_breaker_state", { backend, state })),
  };
}
