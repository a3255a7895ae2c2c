import { expect, test } from "vitest";
import { genAiOperation, genAiOperations, genAiProvider } from "./genai.ts";

test("the operation names that dashboards read are pinned", () => {
  expect(genAiOperations).toEqual({
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
  });
  expect(genAiOperation("files")).toBeUndefined();
});

test("a provider has the conventions' name where they give it one, and its own elsewhere", () => {
  expect(["openai", "deepseek", "anthropic", "groq", "vllm"].map(genAiProvider)).toEqual([
    "openai",
    "deepseek",
    "anthropic",
    "groq",
    "vllm",
  ]);
  expect(["azure", "bedrock", "google", "mistral", "xai"].map(genAiProvider)).toEqual([
    "azure.ai.openai",
    "aws.bedrock",
    "gcp.gemini",
    "mistral_ai",
    "x_ai",
  ]);
});
