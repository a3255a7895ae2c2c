// Every failure on one page: kind → status → code → outcome → severity, and the body a client gets for it.
import type { FailureReason, Outcome, RefusalReason, Severity } from "../instrumentation/index.ts";

interface Facts {
  /** HTTP status of our own answer. */
  readonly status: number;
  /** Stable, machine-readable; OpenAI's own word where one exists. */
  readonly code: string;
  /** OpenAI's error type; its SDKs choose exception classes by status. */
  readonly type: string;
  /** The sentence for the client; a failure may give a more telling one. */
  readonly message: string;
  /** Seconds for Retry-After, where waiting helps. */
  readonly retryAfter: number | undefined;
  readonly severity: Severity;
}

type Failure = Facts &
  (
    | { readonly outcome: "refused"; readonly reason: RefusalReason }
    | { readonly outcome: "failed"; readonly reason: FailureReason }
  );

/** OpenAI's error type for a status. */
const typeOf = (status: number): string => {
  if (status >= 500) return "server_error";
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  return status === 429 ? "rate_limit_error" : "invalid_request_error";
};

/** The request's own fault, or a limit of ours: never worse than a warning. */
const refused = (
  reason: RefusalReason,
  status: number,
  code: string,
  message: string,
  retryAfter?: number,
): Failure => ({
  outcome: "refused",
  reason,
  status,
  code,
  type: typeOf(status),
  severity: "warning",
  message,
  retryAfter,
});

/** Our side's fault. */
const failed = (
  reason: FailureReason,
  status: number,
  code: string,
  severity: "error" | "critical",
  message: string,
  retryAfter?: number,
): Failure => ({ outcome: "failed", reason, status, code, type: typeOf(status), severity, message, retryAfter });

/** kind → what the client sees and what the record says. */
// biome-ignore format: a table is read by its columns
export const failures = {
  invalid_json: refused("invalid", 400, "invalid_json", "The request body is not valid JSON."),
  invalid_path: refused("invalid", 400, "invalid_path", "The request path must be a plain absolute path under /v1, without dot segments, encoded slashes or backslashes."),
  invalid_encoding: refused("invalid", 400, "invalid_encoding", "The request body could not be decoded as its content-encoding says."),
  invalid_query: refused("invalid", 400, "invalid_query", "The request's query is not one that this endpoint takes."),
  list_too_long: refused("too_large", 422, "list_too_long", "The backend's list is too long to look through it for what is yours; ask for that by its id."),
  ambiguous_form: refused("invalid", 400, "ambiguous_form", "The form names more than one model, or has parts that not every parser reads alike."),
  method_not_allowed: refused("invalid", 405, "method_not_allowed", "This endpoint does not take that method."),
  malformed_http: refused("invalid", 400, "malformed_http", "This is not a well-formed HTTP/1.1 request."),
  expectation_failed: refused("invalid", 417, "expectation_failed", "The only Expect known here is 100-continue."),
  headers_too_large: refused("too_large", 431, "headers_too_large", "The request's headers are larger than this gateway takes."),
  slow_body: refused("invalid", 408, "request_timeout", "The request body did not arrive in time."),
  body_too_large: refused("too_large", 413, "request_too_large", "The request body is larger than this gateway takes."),
  foreign_origin: refused("auth", 403, "origin_not_allowed", "Requests from this Origin are not allowed; add it to cors.origins in the gateway's config."),
  foreign_host: refused("auth", 403, "host_not_allowed", "While it asks nobody who they are, this gateway answers to addresses and names of its own machine only: make a key (tollgate keys create), or set allowAnonymous: true."),
  admin_only: refused("auth", 401, "admin_token_required", "This address needs the admin token, or a client on the gateway's own machine."),
  missing_key: refused("auth", 401, "missing_api_key", "This gateway asks for an API key: send it as Authorization: Bearer …."),
  invalid_key: refused("auth", 401, "invalid_api_key", "This API key is not known here."),
  expired_key: refused("auth", 401, "expired_api_key", "This API key has expired; ask the gateway's operator for a new one."),
  revoked_key: refused("auth", 401, "revoked_api_key", "This API key was revoked; ask the gateway's operator for a new one."),
  invalid_token: refused("auth", 401, "invalid_token", "This bearer token is not valid here."),
  issuer_away: failed("internal", 503, "token_issuer_unavailable", "critical", "The gateway cannot check this bearer token for now: its issuer's keys cannot be had.", 2),
  model_not_allowed: refused("auth", 403, "model_not_allowed", "This API key may not use this model."),
  grant_missing: refused("auth", 403, "endpoint_not_allowed", "This API key may not use this endpoint."),
  unknown_id: refused("no_route", 404, "not_found", "There is nothing with this id for this API key."),
  request_limit: refused("rate_limited", 429, "rate_limit_exceeded", "Too many requests for now.", 1),
  token_limit: refused("rate_limited", 429, "rate_limit_exceeded", "Too many tokens for now.", 1),
  concurrency_limit: refused("rate_limited", 429, "rate_limit_exceeded", "Too many requests are open at a time.", 1),
  budget_exceeded: refused("budget", 402, "budget_exceeded", "The budget for this period is spent."),
  unpriced_model: refused("budget", 402, "unpriced_model", "This model has no known price at every backend of its route, so that a hard budget cannot allow it; the gateway's operator can set one (prices)."),
  invalid_member: refused("invalid", 400, "invalid_value", "A member of the request body is not as it has to be."),
  key_conflict: refused("invalid", 409, "conflict", "This does not go with the key as it is."),
  keys_away: failed("internal", 503, "keys_unavailable", "critical", "The gateway cannot write its keys for now; its log says why.", 5),
  limits_away: failed("internal", 503, "limits_unavailable", "critical", "The gateway cannot tell for now what is left of this caller's limits.", 1),
  queue_full: refused("queue_full", 503, "queue_full", "The backend is busy and its queue is full.", 1),
  queue_timeout: refused("queue_timeout", 503, "queue_timeout", "The backend stayed busy for longer than a request may wait.", 1),
  no_route: refused("no_route", 404, "model_not_found", "No backend serves this model."),
  no_such_path: refused("no_route", 404, "unknown_url", "There is nothing at this address."),
  shutting_down: refused("shutting_down", 503, "shutting_down", "The gateway is shutting down; send the request again.", 1),
  upstream_rejected: refused("upstream_rejected", 400, "upstream_rejected", "The backend refused the request."),
  client_key_rejected: refused("auth", 401, "invalid_api_key", "The backend refused the client's own key."),
  backend_auth: failed("upstream_auth", 502, "backend_auth_failed", "critical", "The backend refused the gateway's own credentials; its operator has to mend them."),
  backend_limited: failed("upstream_limited", 429, "backend_rate_limited", "error", "The backend limits the gateway's rate.", 1),
  backend_status: failed("upstream_status", 502, "backend_error", "error", "The backend failed."),
  unreachable: failed("unreachable", 502, "backend_unreachable", "critical", "The backend could not be reached."),
  connect_timeout: failed("timeout", 504, "backend_connect_timeout", "error", "The backend took no connection in time."),
  first_byte_timeout: failed("timeout", 504, "backend_timeout", "error", "The backend did not begin to answer in time."),
  idle_timeout: failed("timeout", 504, "backend_stalled", "error", "The backend stopped in the middle of its answer."),
  total_timeout: failed("timeout", 504, "backend_total_timeout", "error", "The answer took longer than the gateway allows."),
  backend_status_timeout: failed("timeout", 504, "backend_timeout", "error", "The backend says that it timed out."),
  broken_answer: failed("broken_stream", 502, "backend_broken_stream", "error", "The backend's answer broke off."),
  bad_answer: failed("broken_stream", 502, "backend_bad_answer", "error", "The backend's answer was not valid HTTP."),
  error_event: failed("upstream_status", 502, "backend_error_event", "error", "The backend reported an error within its answer."),
  no_backend_up: failed("no_backend_up", 503, "no_backend_up", "critical", "No backend for this model is up.", 5),
  internal: failed("internal", 500, "internal_error", "critical", "The gateway failed; this is a bug."),
} satisfies Record<string, Failure>;

export type FailureKind = keyof typeof failures;

interface Advice {
  /** Seconds, where a better figure than the table's is known. */
  readonly retryAfter?: number;
  /** Further headers of the answer, flat. */
  readonly headers?: readonly string[];
}

/** A failure on its way to the client. `message` is safe to show. */
export class GatewayError extends Error {
  readonly kind: FailureKind;
  readonly param: string | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: readonly string[];
  constructor(kind: FailureKind, message?: string, param?: string, { retryAfter, headers = [] }: Advice = {}) {
    super(message ?? failures[kind].message);
    this.name = "GatewayError";
    this.kind = kind;
    this.param = param;
    this.retryAfter = retryAfter;
    this.headers = headers;
  }
}

/** The client closed its connection before it had its answer. */
export class ClientLeft extends Error {}

/** The outcome of an exchange that ended by this failure. `status` is given where the client saw another one. */
export function outcomeOf(kind: FailureKind, message?: string, status?: number): Outcome {
  const failure = failures[kind];
  const told = {
    status: status ?? failure.status,
    severity: failure.severity,
    ...(message !== undefined && { message }),
  };
  return failure.outcome === "refused"
    ? { kind: "refused", reason: failure.reason, ...told }
    : { kind: "failed", reason: failure.reason, ...told };
}

/** OpenAI's error shape, as JSON text. */
export function errorBody(kind: FailureKind, message?: string, param?: string): string {
  const { message: usual, type, code } = failures[kind];
  return JSON.stringify({ error: { message: message ?? usual, type, param: param ?? null, code } });
}
