// Every failure on one page: kind → status → code → outcome → severity, and the body a client gets for it.
import type { FailureReason, Outcome, RefusalReason, Severity } from "../instrumentation/index.ts";

interface Failure {
  /** HTTP status of our own answer. */
  readonly status: number;
  /** Stable, machine-readable; OpenAI's own word where one exists. */
  readonly code: string;
  /** OpenAI's error type, which its SDKs map to exception classes by status. */
  readonly type: string;
  readonly outcome: "refused" | "failed";
  readonly reason: RefusalReason | FailureReason;
  readonly severity: Severity;
  /** The sentence for the client; a failure may give a more telling one. */
  readonly message: string;
  /** Seconds for Retry-After, where waiting helps. */
  readonly retryAfter?: number;
}

const row = (
  outcome: Failure["outcome"],
  reason: Failure["reason"],
  status: number,
  code: string,
  severity: Severity,
  message: string,
  retryAfter?: number,
): Failure => ({
  status,
  code,
  type:
    status >= 500
      ? "server_error"
      : status === 429
        ? "rate_limit_error"
        : status === 401
          ? "authentication_error"
          : status === 403
            ? "permission_error"
            : "invalid_request_error",
  outcome,
  reason,
  severity,
  message,
  ...(retryAfter !== undefined && { retryAfter }),
});

const I = "invalid";
/** kind → what the client sees and what the record says. */
export const failures = {
  invalid_json: row("refused", I, 400, "invalid_json", "warning", "The request body is not valid JSON."),
  invalid_path: row(
    "refused",
    I,
    400,
    "invalid_path",
    "warning",
    "The request path must be a plain absolute path under /v1, without dot segments, encoded slashes or backslashes.",
  ),
  invalid_encoding: row(
    "refused",
    I,
    400,
    "invalid_encoding",
    "warning",
    "The request body could not be decoded as its content-encoding says.",
  ),
  method_not_allowed: row(
    "refused",
    I,
    405,
    "method_not_allowed",
    "warning",
    "This endpoint does not take that method.",
  ),
  upgrade_required: row("refused", I, 426, "upgrade_required", "warning", "This endpoint speaks WebSocket only."),
  malformed_http: row("refused", I, 400, "malformed_http", "warning", "This is not a well-formed HTTP/1.1 request."),
  expectation_failed: row(
    "refused",
    I,
    417,
    "expectation_failed",
    "warning",
    "The only Expect known here is 100-continue.",
  ),
  headers_too_large: row(
    "refused",
    "too_large",
    431,
    "headers_too_large",
    "warning",
    "The request's headers are larger than this gateway takes.",
  ),
  slow_body: row("refused", I, 408, "request_timeout", "warning", "The request body did not arrive in time."),
  body_too_large: row(
    "refused",
    "too_large",
    413,
    "request_too_large",
    "warning",
    "The request body is larger than this gateway takes.",
  ),
  foreign_origin: row(
    "refused",
    "auth",
    403,
    "origin_not_allowed",
    "warning",
    "Requests from this Origin are not allowed; add it to cors.origins in the gateway's config.",
  ),
  admin_only: row(
    "refused",
    "auth",
    401,
    "admin_token_required",
    "warning",
    "This address needs the admin token, or a client on the gateway's own machine.",
  ),
  no_route: row("refused", "no_route", 404, "model_not_found", "warning", "No backend serves this model."),
  no_such_path: row("refused", "no_route", 404, "unknown_url", "warning", "There is nothing at this address."),
  shutting_down: row(
    "refused",
    "shutting_down",
    503,
    "shutting_down",
    "warning",
    "The gateway is shutting down; send the request again.",
    1,
  ),
  upstream_rejected: row(
    "refused",
    "upstream_rejected",
    400,
    "upstream_rejected",
    "warning",
    "The backend refused the request.",
  ),
  client_key_rejected: row(
    "refused",
    "auth",
    401,
    "invalid_api_key",
    "warning",
    "The backend refused the client's own key.",
  ),
  backend_auth: row(
    "failed",
    "upstream_auth",
    502,
    "backend_auth_failed",
    "critical",
    "The backend refused the gateway's own credentials; its operator has to mend them.",
  ),
  backend_limited: row(
    "failed",
    "upstream_limited",
    429,
    "backend_rate_limited",
    "error",
    "The backend limits the gateway's rate.",
    1,
  ),
  backend_status: row("failed", "upstream_status", 502, "backend_error", "error", "The backend failed."),
  unreachable: row(
    "failed",
    "unreachable",
    502,
    "backend_unreachable",
    "critical",
    "The backend could not be reached.",
  ),
  connect_timeout: row(
    "failed",
    "timeout",
    504,
    "backend_connect_timeout",
    "error",
    "The backend took no connection in time.",
  ),
  first_byte_timeout: row(
    "failed",
    "timeout",
    504,
    "backend_timeout",
    "error",
    "The backend did not begin to answer in time.",
  ),
  idle_timeout: row(
    "failed",
    "timeout",
    504,
    "backend_stalled",
    "error",
    "The backend stopped in the middle of its answer.",
  ),
  total_timeout: row(
    "failed",
    "timeout",
    504,
    "backend_total_timeout",
    "error",
    "The answer took longer than the gateway allows.",
  ),
  backend_status_timeout: row(
    "failed",
    "timeout",
    504,
    "backend_timeout",
    "error",
    "The backend says that it timed out.",
  ),
  broken_answer: row(
    "failed",
    "broken_stream",
    502,
    "backend_broken_stream",
    "error",
    "The backend's answer broke off.",
  ),
  bad_answer: row(
    "failed",
    "broken_stream",
    502,
    "backend_bad_answer",
    "error",
    "The backend's answer was not valid HTTP.",
  ),
  error_event: row(
    "failed",
    "upstream_status",
    502,
    "backend_error_event",
    "error",
    "The backend reported an error within its answer.",
  ),
  no_backend_up: row(
    "failed",
    "no_backend_up",
    503,
    "no_backend_up",
    "critical",
    "No backend for this model is up.",
    5,
  ),
  internal: row("failed", "internal", 500, "internal_error", "critical", "The gateway failed; this is a bug."),
} as const satisfies Record<string, Failure>;

export type FailureKind = keyof typeof failures;

/** A failure on its way to the client. `message` is safe to show; `retryAfter` is in seconds. */
export class GatewayError extends Error {
  readonly kind: FailureKind;
  readonly param: string | undefined;
  constructor(kind: FailureKind, message?: string, param?: string) {
    super(message ?? failures[kind].message);
    this.name = "GatewayError";
    this.kind = kind;
    this.param = param;
  }
}

/** The client closed its connection before it had its answer. */
export class ClientLeft extends Error {}

/** The outcome of an exchange that ended by this failure. `status` is given where the client saw another one. */
export function outcomeOf(kind: FailureKind, message?: string, status?: number): Outcome {
  const failure: Failure = failures[kind];
  const told = {
    status: status ?? failure.status,
    severity: failure.severity,
    ...(message !== undefined && { message }),
  };
  return failure.outcome === "refused"
    ? { kind: "refused", reason: failure.reason as RefusalReason, ...told }
    : { kind: "failed", reason: failure.reason as FailureReason, ...told };
}

/** OpenAI's error shape, as JSON text. */
export function errorBody(kind: FailureKind, message?: string, param?: string): string {
  const { message: usual, type, code } = failures[kind];
  return JSON.stringify({ error: { message: message ?? usual, type, param: param ?? null, code } });
}
