// Token counts as providers spell them, in our one spelling.
import type { Tokens } from "../../instrumentation/index.ts";
import { countIn, type JsonObject, objectIn } from "./json.ts";

/**
 * Reads a `usage` object: chat and completions (`prompt_tokens`…), Responses, images, audio and realtime
 * (`input_tokens`…), DeepSeek (`prompt_cache_hit_tokens`), Moonshot (`cached_tokens` beside the totals), LiteLLM and
 * OpenRouter (`cache_read_input_tokens`, `cache_write_tokens`). Gives `undefined` where it has no count of input or
 * output, e.g. for null. A count that is no whole number from 0 up is left out.
 */
export function tokensIn(value: unknown): Tokens | undefined {
  const usage = objectIn(value);
  if (usage === undefined) return undefined;
  const input = countIn(usage.prompt_tokens) ?? countIn(usage.input_tokens);
  const stated = countIn(usage.completion_tokens) ?? countIn(usage.output_tokens);
  if (input === undefined && stated === undefined) return undefined;
  const read =
    objectIn(usage.prompt_tokens_details) ??
    objectIn(usage.input_tokens_details) ??
    objectIn(usage.input_token_details) ??
    none;
  const made =
    objectIn(usage.completion_tokens_details) ??
    objectIn(usage.output_tokens_details) ??
    objectIn(usage.output_token_details) ??
    none;
  const reasoning = countIn(made.reasoning_tokens) ?? countIn(usage.reasoning_tokens);
  const output = withReasoning(input, stated, reasoning, countIn(usage.total_tokens));
  const cachedInput =
    countIn(read.cached_tokens) ??
    countIn(usage.prompt_cache_hit_tokens) ??
    countIn(usage.cached_tokens) ??
    countIn(usage.cache_read_input_tokens);
  const cacheWrite =
    countIn(read.cache_write_tokens) ??
    countIn(read.cache_creation_tokens) ??
    countIn(read.cache_creation_input_tokens) ??
    countIn(usage.cache_write_tokens) ??
    countIn(usage.cache_creation_input_tokens);
  const cachedAudioInput = countIn(objectIn(read.cached_tokens_details)?.audio_tokens);
  const audioInput = countIn(read.audio_tokens);
  const audioOutput = countIn(made.audio_tokens);
  const imageInput = countIn(read.image_tokens);
  const imageOutput = countIn(made.image_tokens);
  const tokens: { -readonly [Key in keyof Tokens]: Tokens[Key] } = {};
  if (input !== undefined) tokens.input = input;
  if (output !== undefined) tokens.output = output;
  if (cachedInput !== undefined) tokens.cachedInput = cachedInput;
  if (cachedAudioInput !== undefined) tokens.cachedAudioInput = cachedAudioInput;
  if (cacheWrite !== undefined) tokens.cacheWrite = cacheWrite;
  if (reasoning !== undefined) tokens.reasoning = reasoning;
  if (audioInput !== undefined) tokens.audioInput = audioInput;
  if (audioOutput !== undefined) tokens.audioOutput = audioOutput;
  if (imageInput !== undefined) tokens.imageInput = imageInput;
  if (imageOutput !== undefined) tokens.imageOutput = imageOutput;
  return tokens;
}

const none: JsonObject = {};

/**
 * Output with its reasoning. xAI states `completion_tokens` without reasoning; its own total gives that away, since
 * there total = input + output + reasoning, where elsewhere total = input + output.
 */
function withReasoning(
  input: number | undefined,
  output: number | undefined,
  reasoning: number | undefined,
  total: number | undefined,
): number | undefined {
  if (input === undefined || output === undefined || !reasoning) return output;
  return total === input + output + reasoning ? output + reasoning : output;
}
