// How a request ends: one closed union, in the same words for metrics, spans, logs and the breaker.

/** Why a request was refused: the request's own fault, or a limit of ours. */
export type RefusalReason =
  | "auth"
  | "invalid"
  | "too_large"
  | "rate_limited"
  | "budget"
  | "no_route"
  | "queue_full"
  | "queue_timeout"
  | "shutting_down"
  | "upstream_rejected";

/** Why a request failed: the fault of our side, gateway or backend. */
export type FailureReason =
  | "upstream_status"
  | "upstream_auth"
  | "upstream_limited"
  | "no_backend_up"
  | "unreachable"
  | "timeout"
  | "broken_stream"
  | "internal";

export type Severity = "warning" | "error" | "critical";

/** How an exchange ended. `status` is the HTTP status that the client saw, or 499 where it left. */
export type Outcome =
  | { readonly kind: "completed"; readonly status: number; readonly finish: string }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly reason: RefusalReason;
      readonly severity: Severity;
      readonly message?: string;
    }
  | {
      readonly kind: "failed";
      readonly status: number;
      readonly reason: FailureReason;
      readonly severity: Severity;
      readonly message?: string;
    }
  | { readonly kind: "abandoned"; readonly status: 499 };
