// Counts telemetry's own losses and errors.
import type { PipelineTroubles } from "../../pipeline.ts";
import type { Registry } from "../../registry.ts";

/**
 * Troubles of the pipeline as gateway_exporter_errors_total and gateway_events_lost_total, which exist at 0 for the
 * stages named. `noticed` hears of each error besides, e.g. to log it; it may be called often.
 */
export function countedTroubles(
  registry: Registry,
  stages: Iterable<string>,
  noticed: (stage: string, error: unknown) => void = () => {},
): PipelineTroubles {
  for (const exporter of stages) {
    registry.zero("gateway_exporter_errors_total", { exporter });
    for (const reason of ["processor_failed", "buffer_full", "shutdown"]) {
      registry.zero("gateway_events_lost_total", { exporter, reason });
    }
  }
  return {
    exporterFailed(exporter, error) {
      registry.counter("gateway_exporter_errors_total", { exporter }).add(1);
      noticed(exporter, error);
    },
    recordLost(exporter, reason) {
      registry.counter("gateway_events_lost_total", { exporter, reason }).add(1);
    },
  };
}
