// A chat completion as the chunks in which it is streamed.
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { Composition, Tempo } from "./compose.ts";
import type { Beat } from "./endpoint.ts";

export interface ChatStream {
  readonly completion: ChatCompletion;
  /** One per choice, in the same order. */
  readonly compositions: readonly Composition[];
  readonly tempo: Tempo;
  /** `stream_options.include_usage`: null in every chunk but a last one without choices. */
  readonly usageWanted: boolean;
}

type Delta = ChatCompletionChunk.Choice.Delta & { readonly reasoning_content?: string };

/** Role first, then reasoning, then content or a tool call piece by piece, for all choices in turn; then their ends. */
export function chatBeats({ completion, compositions, tempo, usageWanted }: ChatStream): readonly Beat[] {
  const { id, created, model, usage } = completion;
  const frame = { id, object: "chat.completion.chunk", created, model, service_tier: "default" } as const;
  const fingerprint = { system_fingerprint: "fp_demo" };
  const chunk = (index: number, delta: Delta, finish: ChatCompletionChunk.Choice["finish_reason"] = null) =>
    ({
      ...frame,
      ...fingerprint,
      choices: [{ index, delta, logprobs: null, finish_reason: finish }],
      ...(usageWanted && { usage: null }),
    }) satisfies ChatCompletionChunk;

  const beats: Beat[] = completion.choices.map(({ index, message }) => ({
    wait: index === 0 ? tempo.first : 0,
    data: chunk(index, { role: "assistant", content: message.tool_calls ? null : "", refusal: null }),
  }));
  const tracks = compositions.map((composition, at) => deltas(composition, completion.choices[at]));
  const longest = Math.max(...tracks.map(({ length }) => length));
  for (let step = 0; step < longest; step++) {
    let wait = tempo.each;
    for (const [index, track] of tracks.entries()) {
      const delta = track[step];
      if (delta === undefined) continue;
      beats.push({ wait, data: chunk(index, delta) });
      wait = 0;
    }
  }
  for (const [index, { finish }] of compositions.entries()) beats.push({ wait: 0, data: chunk(index, {}, finish) });
  if (usageWanted && usage) {
    const last = { ...frame, ...fingerprint, choices: [], usage } satisfies ChatCompletionChunk;
    beats.push({ wait: 0, data: last });
  }
  return beats;
}

function deltas({ reasoning, pieces, call }: Composition, choice: ChatCompletion.Choice | undefined): Delta[] {
  const thoughts = reasoning.map((piece): Delta => ({ reasoning_content: piece }));
  const id = choice?.message.tool_calls?.[0]?.id ?? "";
  if (call === undefined) return [...thoughts, ...pieces.map((content): Delta => ({ content }))];
  if (call.custom) {
    // The types of the SDK know function calls alone in a stream; the wire has custom ones, too.
    const part = (custom: object, head: object = {}) => ({ tool_calls: [{ index: 0, ...head, custom }] }) as Delta;
    return [
      ...thoughts,
      part({ name: call.name, input: "" }, { id, type: "custom" }),
      ...pieces.map((input) => part({ input })),
    ];
  }
  return [
    ...thoughts,
    { tool_calls: [{ index: 0, id, type: "function", function: { name: call.name, arguments: "" } }] },
    ...pieces.map((piece): Delta => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
  ];
}
