// What an OpenAI-compatible backend says, as text with known token counts: JSON answers and event streams.

export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly reasoning?: number;
}

const usageOf = ({ input, output, cached = 0, reasoning = 0 }: Usage) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0 },
});

/** A chat completion. */
export const chatCompletion = (model: string, usage?: Usage, content = "Hello there") => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_790_000_000,
  model,
  choices: [{ index: 0, message: { role: "assistant", content }, logprobs: null, finish_reason: "stop" }],
  ...(usage && { usage: usageOf(usage) }),
});

const chatChunk = (model: string, more: object) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_790_000_000,
  model,
  ...more,
});

/** One event of a stream: `data: …` and its empty line. */
export const event = (value: unknown, lineEnd = "\n"): string =>
  `data: ${typeof value === "string" ? value : JSON.stringify(value)}${lineEnd}${lineEnd}`;

export interface ChatStream {
  readonly model: string;
  /** The deltas' texts. */
  readonly words?: readonly string[];
  /** The chunk with usage and no choices comes when this is given. */
  readonly usage?: Usage;
  readonly lineEnd?: "\n" | "\r\n" | "\r";
  readonly finish?: string;
}

/** The events of a chat stream, one text each, in order: role, a delta per word, finish, usage, `[DONE]`. */
export function chatEvents({ model, words = ["Hel", "lo"], usage, lineEnd = "\n", finish = "stop" }: ChatStream) {
  const choice = (delta: object, reason: string | null = null) =>
    event(
      chatChunk(model, { choices: [{ index: 0, delta, finish_reason: reason }], ...(usage && { usage: null }) }),
      lineEnd,
    );
  return [
    choice({ role: "assistant", content: "" }),
    ...words.map((content) => choice({ content })),
    choice({}, finish),
    ...(usage ? [event(chatChunk(model, { choices: [], usage: usageOf(usage) }), lineEnd)] : []),
    event("[DONE]", lineEnd),
  ];
}

/** The same without the chunk that has usage and no choices: what a client sees that did not ask for usage. */
export const withoutUsageChunk = (events: readonly string[]): string[] =>
  events.filter((text) => !text.includes('"choices":[]'));

/** A chat request body. */
export const chatRequest = (model: string, more: object = {}) => ({
  model,
  messages: [{ role: "user", content: "Say hello" }],
  ...more,
});

/** A whole stream in few bytes, for tests that go through all of them: two deltas, finish, usage, `[DONE]`. */
export const shortEvents = (usage: Usage): readonly string[] => [
  event({ choices: [{ delta: { content: "é" }, finish_reason: null }] }),
  event({ choices: [{ delta: {}, finish_reason: "stop" }] }, "\r\n"),
  event({ choices: [], usage: { prompt_tokens: usage.input, completion_tokens: usage.output } }),
  event("[DONE]"),
];
