import { expect, test } from "vitest";
import type { Metric } from "./catalogue/declare.ts";
import { catalogue, type LabelsOf, openLabels } from "./catalogue.ts";

/** What dashboards, rules and other teams rely on, written out by hand: kind, then labels. */
const contract: Record<string, string> = {
  active_users_total: "gauge service",
  generation_success_total: "counter service type model",
  generation_failure_total: "counter service type model error_type",
  token_spend_total: "counter service model type",
  payment_conversions_total: "counter service payment_method plan",
  payment_failures_total: "counter service payment_method plan error_type",
  queue_failures_total: "counter service queue_name error_type",
  queue_job_duration_seconds: "histogram service queue_name job_type",
  active_jobs_total: "gauge service queue_name",
  http_requests_total: "counter service method route status_code",
  http_request_duration_seconds: "histogram service method route status_code",
  errors_total: "counter service error_type severity",
  gen_ai_client_token_usage:
    "histogram gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model gen_ai_token_type error_type?",
  gen_ai_client_operation_duration_seconds:
    "histogram gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model error_type?",
  gen_ai_server_time_to_first_token_seconds:
    "histogram gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model",
  gen_ai_server_time_per_output_token_seconds:
    "histogram gen_ai_operation_name gen_ai_provider_name gen_ai_request_model gen_ai_response_model",
  gateway_requests_total: "counter operation model backend key outcome reason streamed",
  gateway_attempts_total: "counter backend model result reason",
  gateway_request_phase_seconds: "histogram phase backend",
  gateway_overhead_seconds: "histogram operation",
  gateway_token_details_total: "counter model backend detail",
  gateway_cost_usd_total: "counter model backend key service type",
  gateway_price_lookups_total: "counter model status",
  gateway_usage_total: "counter model backend source",
  gateway_cache_requests_total: "counter operation result",
  gateway_cache_saved_usd_total: "counter model",
  gateway_rejections_total: "counter reason key",
  gateway_limit_ratio: "gauge key limit period",
  gateway_budget_usd: "gauge scope name period",
  gateway_budget_spent_usd: "gauge scope name period",
  gateway_backend_up: "gauge backend",
  gateway_backend_breaker_state: "gauge backend state",
  gateway_backend_inflight: "gauge backend",
  gateway_backend_inflight_limit: "gauge backend",
  gateway_queue_depth: "gauge queue_name",
  gateway_queue_wait_seconds: "histogram queue_name",
  gateway_open_streams: "gauge",
  gateway_feature_requests_total: "counter feature outcome",
  gateway_feature_cost_usd_total: "counter feature",
  gateway_config_reloads_total: "counter result",
  gateway_config_loaded_timestamp_seconds: "gauge",
  gateway_backend_certificate_expiry_timestamp_seconds: "gauge backend",
  gateway_events_lost_total: "counter exporter reason",
  gateway_events_buffered: "gauge exporter",
  gateway_exporter_errors_total: "counter exporter",
  gateway_label_overflow_total: "counter label",
  gateway_build_info: "gauge version node_version revision",
  system_cpu_utilization_ratio: "gauge",
  system_memory_usage_bytes: "gauge state",
  system_memory_utilization_ratio: "gauge",
  system_disk_usage_bytes: "gauge device state",
  system_disk_utilization_ratio: "gauge device",
  system_network_io_bytes_total: "counter direction",
  system_uptime_seconds: "gauge",
  process_resident_memory_bytes: "gauge",
  process_cpu_seconds_total: "counter",
  process_open_fds: "gauge",
  process_start_time_seconds: "gauge",
  nodejs_eventloop_lag_seconds: "gauge stat",
  nodejs_heap_used_bytes: "gauge",
  nodejs_gc_duration_seconds: "histogram",
  // Beyond the contract.
  gateway_budget_soft_usd: "gauge scope name period",
  gateway_shared_state_up: "gauge",
  gateway_shared_state_errors_total: "counter effect",
  gateway_metric_values_rejected_total: "counter metric",
};

const metrics: [string, Metric][] = Object.entries(catalogue);

const declared = (metric: Metric) =>
  [
    metric.kind,
    ...metric.labels,
    ...(metric.kind === "histogram" ? metric.optional.map((label) => `${label}?`) : []),
  ].join(" ");

test("names, kinds and labels are those that others rely on", () => {
  expect(Object.fromEntries(metrics.map(([name, metric]) => [name, declared(metric)]))).toEqual(contract);
});

test("GenAI buckets are those of the conventions, carried on to minutes", () => {
  expect(catalogue.gen_ai_client_token_usage.buckets).toEqual([
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
  ]);
  expect(catalogue.gen_ai_client_operation_duration_seconds.buckets).toEqual([
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36,
  ]);
  expect(catalogue.gen_ai_server_time_to_first_token_seconds.buckets).toEqual([
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  ]);
  expect(catalogue.gen_ai_server_time_per_output_token_seconds.buckets).toEqual([
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
  ]);
});

test("requests and phases are told apart from 1 ms to 655 s, the gateway's own time from 50 µs", () => {
  for (const name of ["http_request_duration_seconds", "gateway_request_phase_seconds"] as const) {
    expect(catalogue[name].buckets.at(0)).toBe(0.001);
    expect(catalogue[name].buckets.at(-1)).toBe(655.36);
  }
  expect(catalogue.gateway_overhead_seconds.buckets.at(0)).toBe(0.00005);
});

test.each(metrics)("%s is well declared", (name, metric) => {
  expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  expect(metric.help).toMatch(/^[A-Z0-9].{15,}\.$/);
  if (metric.kind === "counter") expect(name).toMatch(/_total$/);
  // Collectors would append `_ratio` and `_USD` to these.
  if (metric.kind === "gauge") expect(["1", "USD"]).not.toContain(metric.unit);
  if (metric.kind === "histogram") {
    expect(metric.buckets).toEqual([...new Set(metric.buckets)].sort((a, b) => a - b));
  }
});

test("users of replicas are not to be summed, and the help says so", () => {
  expect(catalogue.active_users_total.help).toMatch(/max\(\).*not sum\(\).*Redis/);
});

test("what a service reports about payments is seen from its first event on", () => {
  expect(catalogue.payment_failures_total.zeroFirst).toBe(true);
  expect(catalogue.payment_conversions_total.zeroFirst).toBe(true);
});

test("only labels that exist are open", () => {
  const labels = new Set(metrics.flatMap(([, metric]) => metric.labels));
  expect([...openLabels].filter((label) => !labels.has(label))).toEqual([]);
});

test("a wrong label or name does not compile", () => {
  const right: LabelsOf<"gateway_overhead_seconds"> = { operation: "chat" };
  // @ts-expect-error a label that the metric lacks
  const wrongLabel: LabelsOf<"gateway_overhead_seconds"> = { operation: "chat", model: "m" };
  // @ts-expect-error a label that is missing
  const missing: LabelsOf<"gateway_cache_saved_usd_total"> = {};
  // @ts-expect-error a metric that does not exist
  const wrongName: LabelsOf<"gateway_overhead"> = { operation: "chat" };
  expect([right, wrongLabel, missing, wrongName]).toHaveLength(4);
});
