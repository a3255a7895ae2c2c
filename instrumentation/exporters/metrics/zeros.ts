// Makes the counters that alerts and ratios read exist at 0 before anything happened.

import { OTHER } from "../../label-value.ts";
import type { FailureReason, RefusalReason, Severity } from "../../outcome.ts";
import type { Registry } from "../../registry.ts";
import { httpLabels } from "./http.ts";
import { generationTypes } from "./kpi.ts";

/** What is known before the first request. */
export interface Known {
  /** Models by exact name, each with a backend that serves it. */
  readonly routes?: readonly { readonly model: string; readonly backend: string }[];
  /** All backends, whatever models they serve. */
  readonly backends?: readonly string[];
  /** Labels of configured keys. */
  readonly keys?: readonly string[];
  /** Callers may come without a key. */
  readonly anonymous?: boolean;
  /** Features that keep their own label. */
  readonly features?: readonly string[];
  /** Endpoints that matter to error ratios. */
  readonly endpoints?: readonly { readonly method: string; readonly route: string }[];
  /** Every reason that the gateway's error table has, with its severity. */
  readonly errors?: readonly {
    readonly outcome: "refused" | "failed";
    readonly reason: RefusalReason | FailureReason;
    readonly severity: Severity;
  }[];
}

/** Beyond these many, zeros would fill the scrape more than they help. */
const maxRoutes = 50;
const maxBackends = 50;
const maxKeys = 100;
const maxFeatures = 100;
/** Keys on each of those: some twenty series each. */
const maxCallersOfPlaces = 100;
const service = "gateway";

/**
 * Only the operation that nearly every model serves is foretold; others exist from their first request on. So do cost
 * and the parts of tokens: a 0 of a model that has no price, or of a backend that never states them, would be no truth.
 * What exists keeps its value, so that this may be told again when more is known.
 */
export function zeros(registry: Registry, known: Known): void {
  const { routes = [], backends = [], keys = [], anonymous = true, features = [], endpoints = [], errors = [] } = known;
  const failures = new Set(errors.filter(({ outcome }) => outcome === "failed").map(({ reason }) => reason));
  const refusals = new Set(errors.filter(({ outcome }) => outcome === "refused").map(({ reason }) => reason));
  refusals.delete("upstream_rejected");
  const callers = [...(anonymous ? ["anonymous"] : []), ...keys.slice(0, maxKeys)];

  for (const { reason, severity } of errors) registry.zero("errors_total", { service, error_type: reason, severity });
  // Whoever has no key where one is needed is refused as anonymous, too.
  for (const reason of refusals)
    for (const key of new Set(["anonymous", ...callers])) registry.zero("gateway_rejections_total", { reason, key });
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
  for (const feature of features.slice(0, maxFeatures)) {
    for (const outcome of ["completed", "refused", "failed", "abandoned"])
      registry.zero("gateway_feature_requests_total", { feature, outcome });
  }
  // The models that a pattern lets through have no label of their own until a backend has served them.
  const places = [
    ...routes.slice(0, maxRoutes),
    ...backends.slice(0, maxBackends).map((backend) => ({ model: OTHER, backend })),
  ];
  for (const place of places) placeZeros(registry, place, failures);
  const asked = places.flatMap((place) => callers.map((key) => ({ ...place, key })));
  for (const one of asked.slice(0, maxCallersOfPlaces)) requestZeros(registry, one, failures);
}

interface Place {
  readonly model: string;
  readonly backend: string;
}

function placeZeros(registry: Registry, { model, backend }: Place, failures: ReadonlySet<string>): void {
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
  for (const reason of failures) {
    registry.zero("generation_failure_total", { service, type, model, error_type: reason });
    registry.zero("gateway_attempts_total", { backend, model, result: "failed", reason });
  }
}

function requestZeros(
  registry: Registry,
  place: Place & { readonly key: string },
  failures: ReadonlySet<string>,
): void {
  for (const streamed of ["true", "false"]) {
    const request = { ...place, operation: "chat", streamed };
    registry.zero("gateway_requests_total", { ...request, outcome: "completed", reason: "ok" });
    for (const reason of failures) registry.zero("gateway_requests_total", { ...request, outcome: "failed", reason });
  }
}
