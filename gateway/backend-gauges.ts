// The gauges of backends: whether each is usable, and how much it works on.
import type { Gauge, Registry } from "../instrumentation/index.ts";
import type { BackendState } from "./telemetry.ts";

/** Sets each backend's gauges from its present state, and lets those of a backend that is no more go. */
export function backendGauges(cells: Registry): (states: readonly BackendState[]) => void {
  const gauges = new Map<string, readonly [up: Gauge, inflight: Gauge, limit: Gauge]>();
  return (states) => {
    for (const [name, own] of gauges) {
      if (states.some((state) => state.name === name)) continue;
      for (const gauge of own) gauge.remove();
      gauges.delete(name);
    }
    for (const { name: backend, up, inflight, limit } of states) {
      const own = gauges.get(backend) ?? [
        cells.gauge("gateway_backend_up", { backend }),
        cells.gauge("gateway_backend_inflight", { backend }),
        cells.gauge("gateway_backend_inflight_limit", { backend }),
      ];
      gauges.set(backend, own);
      own[0].set(up ? 1 : 0);
      own[1].set(inflight);
      own[2].set(limit);
    }
  };
}
