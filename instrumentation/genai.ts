// Our operations and providers in the words of OpenTelemetry's GenAI semantic conventions, v1.41.
import type { Operation } from "./exchange.ts";

/**
 * `gen_ai.operation.name` of each operation that asks a model for something; `undefined` for housekeeping
 * (files, lists, stored answers), which is plain HTTP and has no GenAI telemetry.
 *
 * The conventions know `chat`, `text_completion`, `embeddings` and, for everything a model makes or reads in
 * other media, `generate_content`. Moderation has no word there; they allow one's own.
 * Source: the attribute registry, gen_ai.operation.name.
 */
export const genAiOperations = {
  chat: "chat",
  response: "chat",
  completion: "text_completion",
  embedding: "embeddings",
  image: "generate_content",
  speech: "generate_content",
  transcription: "generate_content",
  translation: "generate_content",
  realtime: "generate_content",
  moderation: "moderation",
  stored_response: undefined,
  models: undefined,
  files: undefined,
  uploads: undefined,
  batches: undefined,
  vector_stores: undefined,
  fine_tuning: undefined,
  other: undefined,
} as const satisfies Record<Operation, string | undefined>;

/** The `gen_ai.operation.name` of an operation, or `undefined` where it is no GenAI operation. */
export const genAiOperation = (operation: Operation): string | undefined => genAiOperations[operation];

/** Providers whose name in the conventions differs from the usual short one. */
const wellKnown: ReadonlyMap<string, string> = new Map([
  ["azure", "azure.ai.openai"],
  ["azure-openai", "azure.ai.openai"],
  ["azure_openai", "azure.ai.openai"],
  ["azure-ai", "azure.ai.inference"],
  ["bedrock", "aws.bedrock"],
  ["aws", "aws.bedrock"],
  ["gemini", "gcp.gemini"],
  ["google", "gcp.gemini"],
  ["vertex", "gcp.vertex_ai"],
  ["vertexai", "gcp.vertex_ai"],
  ["mistral", "mistral_ai"],
  ["mistralai", "mistral_ai"],
  ["watsonx", "ibm.watsonx.ai"],
  ["xai", "x_ai"],
]);

/** `gen_ai.provider.name` of a backend's provider; names that the conventions do not know stay as configured. */
export const genAiProvider = (provider: string): string => wellKnown.get(provider) ?? provider;
