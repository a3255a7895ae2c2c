// Feeds the KPI metrics: generations, tokens, errors.
import type { Operation } from "../../exchange.ts";
import type { Registry } from "../../registry.ts";
import { lazily, type Project, type Projection, type Sample } from "./sample.ts";

/** The `type` of a generation; `undefined` for operations that generate nothing. */
export const generationTypes = {
  chat: "chat",
  completion: "completion",
  response: "response",
  embedding: "embedding",
  image: "image",
  speech: "speech",
  transcription: "transcription",
  translation: "transcription",
  moderation: "moderation",
  realtime: "other",
  stored_response: undefined,
  models: undefined,
  files: undefined,
  uploads: undefined,
  batches: undefined,
  vector_stores: undefined,
  fine_tuning: undefined,
  other: undefined,
} as const satisfies Record<Operation, string | undefined>;

const service = "gateway";

export const kpi: Projection = {
  group: ({ exchange: { operation, outcome }, labels: { model }, reason }) => [
    operation,
    outcome.kind,
    reason,
    "severity" in outcome ? outcome.severity : undefined,
    model,
  ],
  bind,
};

function bind(registry: Registry, { exchange: { operation, outcome }, labels: { model } }: Sample): Project {
  const type = generationTypes[operation];
  const generations =
    type === undefined
      ? undefined
      : outcome.kind === "completed"
        ? registry.counter("generation_success_total", { service, type, model })
        : outcome.kind === "failed"
          ? registry.counter("generation_failure_total", { service, type, model, error_type: outcome.reason })
          : undefined;
  const errors =
    outcome.kind === "failed" || outcome.kind === "refused"
      ? registry.counter("errors_total", { service, error_type: outcome.reason, severity: outcome.severity })
      : undefined;
  const input = lazily(() => registry.counter("token_spend_total", { service, model, type: "input" }));
  const output = lazily(() => registry.counter("token_spend_total", { service, model, type: "output" }));

  return ({ tokens }) => {
    generations?.add(1);
    errors?.add(1);
    if (tokens?.input !== undefined) input().add(tokens.input);
    if (tokens?.output !== undefined) output().add(tokens.output);
  };
}
