// Feeds the GenAI histograms: one operation per exchange that asked a backend.
import { genAiOperation, genAiProvider } from "../../genai.ts";
import type { Registry } from "../../registry.ts";
import { lazily, type Project, type Projection, type Sample } from "./sample.ts";

const nothing: Project = () => {};

export const genAi: Projection = {
  group: ({ exchange: { operation, outcome }, labels: { model, servedModel }, provider, reason }) => [
    operation,
    provider,
    outcome.kind,
    reason,
    model,
    servedModel,
  ],
  bind,
};

function bind(registry: Registry, { exchange, labels, provider }: Sample): Project {
  const { operation, outcome } = exchange;
  // Its tokens are of the operation that it was made by; how long that took was counted there, or nobody knows.
  const isLate = operation === "stored_response";
  const name = genAiOperation(isLate ? "response" : operation);
  if (name === undefined || provider === undefined) return nothing;

  const model = {
    gen_ai_operation_name: name,
    gen_ai_provider_name: genAiProvider(provider),
    gen_ai_request_model: labels.model,
    gen_ai_response_model: labels.servedModel,
  };
  // A client that leaves on purpose is no error.
  const failure = "reason" in outcome ? { error_type: outcome.reason } : {};
  const duration = lazily(() =>
    registry.histogram("gen_ai_client_operation_duration_seconds", { ...model, ...failure }),
  );
  const tokenUsage = (type: string) =>
    registry.histogram("gen_ai_client_token_usage", { ...model, gen_ai_token_type: type, ...failure });
  const input = lazily(() => tokenUsage("input"));
  const output = lazily(() => tokenUsage("output"));
  const firstToken = lazily(() => registry.histogram("gen_ai_server_time_to_first_token_seconds", model));
  const perToken = lazily(() => registry.histogram("gen_ai_server_time_per_output_token_seconds", model));

  return ({ totalSeconds, tokens, firstTokenSeconds }) => {
    if (!isLate) duration().observe(totalSeconds);
    if (tokens?.input !== undefined) input().observe(tokens.input);
    if (tokens?.output !== undefined) output().observe(tokens.output);
    // The conventions define both for successful answers only.
    if (firstTokenSeconds === undefined || outcome.kind !== "completed") return;
    firstToken().observe(firstTokenSeconds);
    if (tokens?.output !== undefined && tokens.output > 1) {
      perToken().observe((totalSeconds - firstTokenSeconds) / (tokens.output - 1));
    }
  };
}
