import { describe, expect, it } from "vitest";
import { tokensIn } from "./tokens.ts";

describe("token counts", () => {
  it.each([
    [
      "OpenAI chat",
      {
        prompt_tokens: 20,
        completion_tokens: 9,
        total_tokens: 29,
        prompt_tokens_details: { cached_tokens: 4, audio_tokens: 1, image_tokens: 2, cache_write_tokens: 3 },
        completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 6 },
      },
      {
        input: 20,
        output: 9,
        cachedInput: 4,
        cacheWrite: 3,
        reasoning: 5,
        audioInput: 1,
        audioOutput: 6,
        imageInput: 2,
      },
    ],
    [
      "Responses",
      {
        input_tokens: 7,
        output_tokens: 8,
        input_tokens_details: { cached_tokens: 1, cache_write_tokens: 2 },
        output_tokens_details: { reasoning_tokens: 3 },
      },
      { input: 7, output: 8, cachedInput: 1, cacheWrite: 2, reasoning: 3 },
    ],
    [
      "DeepSeek",
      { prompt_tokens: 10, completion_tokens: 2, prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 4 },
      { input: 10, output: 2, cachedInput: 6 },
    ],
    [
      "Moonshot",
      { prompt_tokens: 10, completion_tokens: 2, cached_tokens: 5 },
      { input: 10, output: 2, cachedInput: 5 },
    ],
    [
      "LiteLLM",
      { prompt_tokens: 10, completion_tokens: 2, cache_read_input_tokens: 5, cache_creation_input_tokens: 1 },
      { input: 10, output: 2, cachedInput: 5, cacheWrite: 1 },
    ],
    [
      "xAI, whose output lacks its reasoning",
      {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 135,
        completion_tokens_details: { reasoning_tokens: 94 },
      },
      { input: 32, output: 103, reasoning: 94 },
    ],
    [
      "transcription",
      {
        type: "tokens",
        input_tokens: 14,
        output_tokens: 3,
        total_tokens: 17,
        input_token_details: { audio_tokens: 13, text_tokens: 1 },
      },
      { input: 14, output: 3, audioInput: 13 },
    ],
    [
      "realtime",
      {
        input_tokens: 5,
        output_tokens: 6,
        input_token_details: { cached_tokens: 1, audio_tokens: 2, cached_tokens_details: { audio_tokens: 1 } },
        output_token_details: { audio_tokens: 4 },
      },
      { input: 5, output: 6, cachedInput: 1, cachedAudioInput: 1, audioInput: 2, audioOutput: 4 },
    ],
    ["embeddings", { prompt_tokens: 8, total_tokens: 8 }, { input: 8 }],
    ["nulls among counts", { prompt_tokens: 8, completion_tokens: null, prompt_tokens_details: null }, { input: 8 }],
    ["a stated zero", { prompt_tokens: 8, completion_tokens: 0 }, { input: 8, output: 0 }],
  ])("of %s are read", (_, usage, tokens) => expect(tokensIn(usage)).toEqual(tokens));

  it.each([
    [null],
    [undefined],
    [[]],
    [{}],
    ["1"],
    [{ total_tokens: 5 }],
    [{ prompt_tokens: "5" }],
    [{ prompt_tokens: -1 }],
    [{ input_tokens: 1.5 }],
    [{ prompt_tokens: 1e300 }],
    [{ output_tokens: Number.NaN }],
  ])("are unknown, not zero, in %j", (usage) => expect(tokensIn(usage)).toBeUndefined());
});
