// Feeds the HTTP metrics, for exchanges and for whatever else is served over HTTP.
import type { Registry } from "../../registry.ts";
import type { Project, Sample } from "./sample.ts";

/** A request that is no exchange: health, metrics, a preflight. `route` is a template, never the raw path. */
export interface ServedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** The methods of RFC 9110 and PATCH; a client may send anything else. */
const methods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "CONNECT",
  "TRACE",
]);

export const httpLabels = ({ method, route, status }: Omit<ServedRequest, "seconds">) => ({
  service: "gateway",
  method: methods.has(method) ? method : "other",
  route,
  status_code: status >= 100 && status <= 599 ? String(status) : "other",
});

export function http(registry: Registry, { exchange }: Sample): Project {
  const served = httpCells(registry, {
    method: exchange.method,
    route: exchange.endpoint,
    status: exchange.outcome.status,
  });
  return ({ totalSeconds }) => served(totalSeconds);
}

/** Counts one request of these labels that took so many seconds. */
export function httpCells(registry: Registry, request: Omit<ServedRequest, "seconds">): (seconds: number) => void {
  const labels = httpLabels(request);
  const requests = registry.counter("http_requests_total", labels);
  const duration = registry.histogram("http_request_duration_seconds", labels);
  return (seconds) => {
    requests.add(1);
    duration.observe(seconds);
  };
}
