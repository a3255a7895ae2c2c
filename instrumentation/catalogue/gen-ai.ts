// The GenAI family: OpenTelemetry's semantic conventions v1.41, spelled as OTLP-to-Prometheus translation spells them.
import { geometric, histogram } from "./declare.ts";

const model = [
  "gen_ai_operation_name",
  "gen_ai_provider_name",
  "gen_ai_request_model",
  "gen_ai_response_model",
] as const;

/** Bucket bounds are those that the conventions advise, carried on to the minutes that reasoning models take. */
export const genAi = {
  gen_ai_client_token_usage: histogram(
    "{token}",
    [...model, "gen_ai_token_type"],
    "Tokens used by one operation.",
    geometric(1, 4, 14),
    "error_type",
  ),
  gen_ai_client_operation_duration_seconds: histogram(
    "s",
    model,
    "Duration of an operation that asked a backend, retries and fallbacks included; error_type is set where it failed.",
    geometric(0.01, 2, 17),
    "error_type",
  ),
  gen_ai_server_time_to_first_token_seconds: histogram(
    "s",
    model,
    "Time from a streamed request's arrival to the first content, reasoning or tool delta of its answer; completed ones only.",
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
  ),
  gen_ai_server_time_per_output_token_seconds: histogram(
    "s",
    model,
    "Time per output token after the first one, of completed streams: (duration - time to first token) / (output tokens - 1).",
    [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  ),
};
