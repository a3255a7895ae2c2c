// The KPI family: what a business asks of any service, in the names of the monitoring specification.
import { counter, gauge, histogram, requestSeconds } from "./declare.ts";

export const kpi = {
  active_users_total: gauge(
    "{user}",
    ["service"],
    "Distinct users (or keys) seen in the sliding window, 15 minutes unless set otherwise. Each replica counts those it saw itself: across replicas max() is the honest query, not sum(), unless they share the count through Redis.",
  ),
  generation_success_total: counter("{generation}", ["service", "type", "model"], "Generations that completed."),
  generation_failure_total: counter(
    "{generation}",
    ["service", "type", "model", "error_type"],
    "Generations that failed on our side, gateway or backend. Requests that were refused or abandoned count neither as success nor as failure.",
  ),
  token_spend_total: counter(
    "{token}",
    ["service", "model", "type"],
    "Tokens used. Input includes cached tokens and output includes reasoning, so the sum over type is all that was spent; gateway_token_details_total has the parts.",
  ),
  payment_conversions_total: counter(
    "{payment}",
    ["service", "payment_method", "plan"],
    "Payments that succeeded, as reported by services.",
    { zeroFirst: true },
  ),
  payment_failures_total: counter(
    "{payment}",
    ["service", "payment_method", "plan", "error_type"],
    "Payments that failed, as reported by services.",
    { zeroFirst: true },
  ),
  queue_failures_total: counter(
    "{job}",
    ["service", "queue_name", "error_type"],
    "Jobs that failed in a queue. The queue in front of a backend is backend:<name>.",
  ),
  queue_job_duration_seconds: histogram(
    "s",
    ["service", "queue_name", "job_type"],
    "How long jobs of a queue took, from their start to their end.",
    requestSeconds,
  ),
  active_jobs_total: gauge("{job}", ["service", "queue_name"], "Jobs of a queue that run now."),
  http_requests_total: counter(
    "{request}",
    ["service", "method", "route", "status_code"],
    "HTTP requests answered. The route is a template, never the raw path; 499 is a client that left.",
  ),
  http_request_duration_seconds: histogram(
    "s",
    ["service", "method", "route", "status_code"],
    "Time from a request's arrival to the last byte of its answer.",
    requestSeconds,
  ),
  errors_total: counter(
    "{error}",
    ["service", "error_type", "severity"],
    "Errors by kind and severity (warning, error, critical). Refused requests are errors too, mostly warnings.",
  ),
};
