// Makes the counters that alerts and ratios read exist at 0 before anything happened.
import type { FailureReason, RefusalReason, Severity } from "../../exchange.ts";
import type { Registry } from "../../registry.ts";
import { httpLabels } from "./http.ts";
import { generationTypes } from "./kpi.ts";

/** What is known before the first request. */
export interface Known {
  /** Models by exact name, each with a backend that serves it. */
  readonly routes?: readonly { readonly model: string; readonly backend: string }[];
  /** Labels of configured keys; none means that callers are anonymous. */
  readonly keys?: readonly string[];
  /** Endpoints that matter to error ratios. */
  readonly endpoints?: readonly { readonly method: string; readonly route: string }[];
  /** Every reason that the gateway's error table has, with its severity. */
  readonly errors?: readonly {
    readonly outcome: "refused" | "failed";
    readonly reason: RefusalReason | FailureReason;
    readonly severity: Severity;
  }[];
}

/** Beyond this many routes zeros would fill the scrape more than they help. */
const maxRoutes = 50;
const service = "gateway";

/** Only the operation that nearly every model serves is foretold; others exist from their first request on. */
export function zeros(registry: Registry, { routes = [], keys = [], endpoints = [], errors = [] }: Known): void {
  const failures = new Set(errors.filter(({ outcome }) => outcome === "failed").map(({ reason }) => reason));
  const refusals = new Set(errors.filter(({ outcome }) => outcome === "refused").map(({ reason }) => reason));
  refusals.delete("upstream_rejected");
  const keyLabels = keys.length > 0 ? keys : ["anonymous"];

  for (const { reason, severity } of errors) registry.zero("errors_total", { service, error_type: reason, severity });
  for (const reason of refusals)
    for (const key of keyLabels) registry.zero("gateway_rejections_total", { reason, key });
  for (const { method, route } of endpoints) {
    for (const status of [200, 429, 500, 502, 503, 504]) {
      registry.zero("http_requests_total", httpLabels({ method, route, status }));
    }
  }
  for (const [operation, type] of Object.entries(generationTypes)) {
    if (type === undefined) continue;
    for (const result of ["hit", "miss", "bypass"])
      registry.zero("gateway_cache_requests_total", { operation, result });
  }
  for (const result of ["success", "failure"]) registry.zero("gateway_config_reloads_total", { result });
  for (const label of ["model", "served_model", "key", "feature"])
    registry.zero("gateway_label_overflow_total", { label });
  for (const route of routes.slice(0, maxRoutes)) routeZeros(registry, route, failures);
}

function routeZeros(
  registry: Registry,
  { model, backend }: { readonly model: string; readonly backend: string },
  failures: ReadonlySet<string>,
): void {
  const type = generationTypes.chat;
  registry.zero("generation_success_total", { service, type, model });
  for (const part of ["input", "output"]) registry.zero("token_spend_total", { service, model, type: part });
  for (const status of ["exact", "custom", "unpriced"]) {
    registry.zero("gateway_price_lookups_total", { model, status });
  }
  for (const source of ["provider", "estimated", "missing"]) {
    registry.zero("gateway_usage_total", { model, backend, source });
  }
  registry.zero("gateway_attempts_total", { backend, model, result: "completed", reason: "ok" });
  const request = { operation: "chat", model, key: "anonymous" };
  for (const streamed of ["true", "false"]) {
    registry.zero("gateway_requests_total", { ...request, backend, outcome: "completed", reason: "ok", streamed });
  }
  for (const reason of failures) {
    registry.zero("generation_failure_total", { service, type, model, error_type: reason });
    registry.zero("gateway_attempts_total", { backend, model, result: "failed", reason });
    for (const streamed of ["true", "false"]) {
      registry.zero("gateway_requests_total", { ...request, backend, outcome: "failed", reason, streamed });
    }
  }
}
