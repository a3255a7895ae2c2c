// Feeds the HTTP metrics, for exchanges and for whatever else is served over HTTP.
import type { Registry } from "../../registry.ts";
import type { Projection } from "./sample.ts";

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

export const methodLabel = (method: string): string => (methods.has(method) ? method : "other");

export const httpLabels = ({ method, route, status }: Omit<ServedRequest, "seconds">) => ({
  service: "gateway",
  method: methodLabel(method),
  route,
  status_code: status >= 100 && status <= 599 ? String(status) : "other",
});

export const http: Projection = {
  group: ({ exchange: { method, endpoint, outcome } }) => [methodLabel(method), endpoint, outcome.status],
  bind(registry, { exchange: { method, endpoint, outcome } }) {
    const served = httpCells(registry, { method, route: endpoint, status: outcome.status });
    return ({ totalSeconds }) => served(totalSeconds);
  },
};

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
