// The gateway family: what Tollgate knows about its own traffic, money, backends and configuration.
import { counter, gauge, histogram, overheadSeconds, requestSeconds } from "./declare.ts";

/** Money is counted in whole nano-USD and shown in USD. */
const nano = { per: 1_000_000_000 };

export const gateway = {
  gateway_requests_total: counter(
    "{request}",
    ["operation", "model", "backend", "key", "outcome", "reason", "streamed"],
    "Requests as clients saw them, one each. Retries and fallbacks show in gateway_attempts_total alone.",
  ),
  gateway_attempts_total: counter(
    "{attempt}",
    ["backend", "model", "result", "reason"],
    "Tries at backends; one request may take several.",
  ),
  gateway_request_phase_seconds: histogram(
    "s",
    ["phase", "backend"],
    "Time that requests spent in each phase. A phase that did not happen is left out, overhead is always there; the phases of a request add up to its total.",
    requestSeconds,
  ),
  gateway_overhead_seconds: histogram(
    "s",
    ["operation"],
    "Time that the gateway itself added to a request.",
    overheadSeconds,
  ),
  gateway_token_details_total: counter(
    "{token}",
    ["model", "backend", "detail"],
    "Parts of input and output tokens: they are already contained in token_spend_total and must not be added to it.",
  ),
  gateway_cost_usd_total: counter(
    "{USD}",
    ["model", "backend", "key", "service", "type"],
    "Cost of the requests whose price is known, in USD, exact to the nano-dollar, with that of answers that were discarded for another backend's. gateway_price_lookups_total counts those without a price.",
    nano,
  ),
  gateway_price_lookups_total: counter(
    "{lookup}",
    ["model", "status"],
    "How prices were found: exact (catalogue), custom (config), or unpriced, whose cost is unknown and not 0.",
  ),
  gateway_usage_total: counter(
    "{request}",
    ["model", "backend", "source"],
    "Where token counts came from: the provider, an estimate, or nowhere (missing).",
  ),
  gateway_cache_requests_total: counter(
    "{request}",
    ["operation", "result"],
    "Requests by what the response cache did for them: hit, miss or bypass.",
  ),
  gateway_cache_saved_usd_total: counter(
    "{USD}",
    ["model"],
    "What answers from the cache would have cost, in USD.",
    nano,
  ),
  gateway_rejections_total: counter(
    "{request}",
    ["reason", "key"],
    "Requests that the gateway itself refused; what a backend refused is not among them.",
  ),
  gateway_feature_requests_total: counter(
    "{request}",
    ["feature", "outcome"],
    "Requests that named a feature, by outcome.",
  ),
  gateway_feature_cost_usd_total: counter(
    "{USD}",
    ["feature"],
    "Cost of requests that named a feature, in USD, with that of discarded answers.",
    nano,
  ),
  gateway_limit_ratio: gauge("", ["key", "limit", "period"], "Share of a key's limit that is used, 0 to 1."),
  gateway_budget_usd: gauge(
    "{USD}",
    ["scope", "name", "period"],
    "Budget of a key, user or team for a period, in USD.",
  ),
  gateway_budget_spent_usd: gauge(
    "{USD}",
    ["scope", "name", "period"],
    "What is spent of a budget in the current period, in USD.",
  ),
  gateway_budget_soft_usd: gauge(
    "{USD}",
    ["scope", "name", "period"],
    "Where the warning about a budget begins: alert where gateway_budget_spent_usd is above it.",
  ),
  gateway_shared_state_up: gauge(
    "",
    [],
    "1 while limits and budgets are shared with other gateways through Redis, 0 while it is away; absent for a gateway that shares nothing.",
  ),
  gateway_shared_state_errors_total: counter(
    "{error}",
    ["effect"],
    "Failures of the shared Redis by what came of them: a request allowed or refused without it, a count delayed, or disconnected.",
  ),
  gateway_backend_up: gauge("", ["backend"], "1 where a backend is usable, 0 where it is down."),
  gateway_backend_breaker_state: gauge(
    "",
    ["backend", "state"],
    "1 for the state that a backend's circuit breaker is in (closed, open, half_open), 0 for the others.",
  ),
  gateway_backend_inflight: gauge("{request}", ["backend"], "Requests that a backend works on now."),
  gateway_backend_inflight_limit: gauge(
    "{request}",
    ["backend"],
    "How many requests a backend is given at once; more of them queue.",
  ),
  gateway_queue_depth: gauge("{request}", ["queue_name"], "Requests that wait in a queue now."),
  gateway_queue_wait_seconds: histogram(
    "s",
    ["queue_name"],
    "How long requests waited in a queue, however that ended; 0 for one that had its turn at once.",
    requestSeconds,
  ),
  gateway_open_streams: gauge("{stream}", [], "Streamed answers that are open now."),
  gateway_config_reloads_total: counter(
    "{reload}",
    ["result"],
    "Attempts to reload the configuration: success, or failure, after which the old one stays.",
  ),
  gateway_config_loaded_timestamp_seconds: gauge(
    "s",
    [],
    "When the configuration in use was loaded, in seconds since 1970.",
  ),
  gateway_backend_certificate_expiry_timestamp_seconds: gauge(
    "s",
    ["backend"],
    "When a backend's TLS certificate expires, in seconds since 1970.",
  ),
  gateway_events_lost_total: counter(
    "{event}",
    ["exporter", "reason"],
    "Records that telemetry itself gave up; traffic is not affected.",
  ),
  gateway_events_buffered: gauge("{event}", ["exporter"], "Records that an exporter holds and has not sent yet."),
  gateway_exporter_errors_total: counter("{error}", ["exporter"], "Errors of an exporter, processor or sampler."),
  gateway_label_overflow_total: counter(
    "{value}",
    ["label"],
    "Values from callers that were folded into other, because they were too many, too long or unprintable.",
  ),
  gateway_metric_values_rejected_total: counter(
    "{value}",
    ["metric"],
    "Values that a metric refused because they were negative, infinite or not a number.",
  ),
  gateway_build_info: gauge("", ["version", "node_version", "revision"], "Always 1; the labels say what is running."),
};
