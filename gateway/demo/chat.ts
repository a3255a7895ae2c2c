// Chat completions.
import type { ChatCompletion, ChatCompletionMessageToolCall } from "openai/resources/chat/completions";
import type { CompletionUsage } from "openai/resources/completions";
import { chatBeats } from "./chat-chunks.ts";
import { type ChatRequest, chatRequest } from "./chat-request.ts";
import { type Composition, chanceFor, compose, reasoningSentences, tempoOf } from "./compose.ts";
import { type Answer, json, type Route, type Stage } from "./endpoint.ts";
import type { Fields } from "./fields.ts";
import { reasons } from "./models.ts";

export interface Completed {
  readonly completion: ChatCompletion;
  readonly compositions: readonly Composition[];
}

export const chatRoutes = (stage: Stage): readonly Route[] => [
  { method: "POST", path: "/chat/completions", answer: ({ body }) => chat(body, stage) },
];

/** Answers one request. Throws a Refusal. */
function chat(body: Fields, stage: Stage): Answer {
  const request = chatRequest(body);
  const { completion, compositions } = complete(request, stage);
  const tempo = tempoOf(stage.dice);
  if (request.streamed) {
    const beats = chatBeats({ completion, compositions, tempo, usageWanted: request.usageWanted });
    return { kind: "events", beats, done: true };
  }
  const longest = Math.max(...compositions.map(({ tokens }) => tokens));
  return json(completion, tempo.first + tempo.each * longest);
}

/** The whole answer, at once. */
export function complete(request: ChatRequest, stage: Stage): Completed {
  const { model, prompt, effort, seed, answers, metadata } = request;
  const compositions = Array.from({ length: answers }, (_, at) => {
    const dice = chanceFor(stage.dice, seed, prompt, at);
    const reasoning = reasons(model) ? reasoningSentences(effort, dice) : 0;
    return compose({ ...request, dice, reasoning });
  });
  const completion: ChatCompletion = {
    id: stage.dice.id("chatcmpl-"),
    object: "chat.completion",
    created: stage.now(),
    model,
    choices: compositions.map((composition, index) => choice(composition, index, stage)),
    usage: usageOf(prompt.tokens, stage.promptCache(prompt.text), compositions),
    service_tier: "default",
    system_fingerprint: "fp_demo",
    ...(metadata && { metadata }),
  };
  return { completion, compositions };
}

function choice({ call, pieces, reasoning, finish }: Composition, index: number, stage: Stage): ChatCompletion.Choice {
  const words = pieces.join("");
  const id = stage.dice.id("call_");
  const toolCall: ChatCompletionMessageToolCall | undefined =
    call &&
    (call.custom
      ? { id, type: "custom", custom: { name: call.name, input: words } }
      : { id, type: "function", function: { name: call.name, arguments: words } });
  // As DeepSeek and vLLM spell it; OpenAI's own chat shows no reasoning.
  const thought = reasoning.length > 0 && { reasoning_content: reasoning.join("") };
  return {
    index,
    message: {
      role: "assistant",
      content: toolCall ? null : words,
      ...thought,
      ...(toolCall && { tool_calls: [toolCall] }),
      refusal: null,
      annotations: [],
    },
    logprobs: null,
    finish_reason: finish,
  };
}

export function usageOf(prompt: number, cached: number, made: readonly Composition[]): CompletionUsage {
  const output = made.reduce((sum, { tokens }) => sum + tokens, 0);
  const cachedTokens = Math.min(cached, prompt);
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: { cached_tokens: cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: made.reduce((sum, { reasoning }) => sum + reasoning.length, 0),
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
