// One answer in a realtime session as the events in which it is sent.
import type {
  ConversationItem,
  RealtimeResponse,
  RealtimeResponseUsage,
  RealtimeServerEvent,
} from "openai/resources/realtime/realtime";
import type { Composition, Tempo } from "./compose.ts";
import type { Dice } from "./dice.ts";
import type { Prompt } from "./prompt.ts";

/** An event before it has its id. */
export type RealtimeEvent<Event = RealtimeServerEvent> = Event extends { event_id: string }
  ? Omit<Event, "event_id">
  : never;

interface RealtimeBeat {
  /** Milliseconds before it, at the real pace. */
  readonly wait: number;
  readonly event: RealtimeEvent;
}

export interface RealtimeAnswer {
  readonly beats: readonly RealtimeBeat[];
  /** What is told instead of the rest, when the answer is cancelled after so many of its pieces. */
  cancelled(pieces: number): RealtimeEvent;
  /** What the conversation remembers. */
  readonly item: ConversationItem;
}

export interface Answering {
  readonly made: Composition;
  readonly prompt: Prompt;
  readonly cached: number;
  readonly tempo: Tempo;
  readonly dice: Dice;
}

export function realtimeAnswer({ made, prompt, cached, tempo, dice }: Answering): RealtimeAnswer {
  const { pieces, call, finish } = made;
  const ids = { response_id: dice.id("resp_"), item_id: dice.id("item_") };
  const callId = dice.id("call_");
  const place = { ...ids, output_index: 0 };
  const inContent = { ...place, content_index: 0 };

  const item = (text: string, status: "in_progress" | "incomplete" | "completed"): ConversationItem => {
    const frame = { id: ids.item_id, object: "realtime.item", status } as const;
    if (call) return { ...frame, type: "function_call", call_id: callId, name: call.name, arguments: text };
    const content = status === "in_progress" ? [] : [{ type: "output_text" as const, text }];
    return { ...frame, type: "message", role: "assistant", content };
  };
  const response = (status: NonNullable<RealtimeResponse["status"]>, output: ConversationItem[], made = 0) => ({
    id: ids.response_id,
    object: "realtime.response" as const,
    output_modalities: ["text" as const],
    status,
    output,
    ...(status !== "in_progress" && { usage: usageOf(prompt.tokens, cached, made) }),
  });

  const text = pieces.join("");
  const whole = item(text, finish === "length" ? "incomplete" : "completed");
  const part = (words: string) => ({ type: "text" as const, text: words });
  const { response_id } = ids;
  const beat = (event: RealtimeEvent, wait = 0): RealtimeBeat => ({ event, wait });
  const deltas = pieces.map((delta, at) => {
    const wait = at === 0 ? tempo.first : tempo.each;
    return call
      ? beat({ type: "response.function_call_arguments.delta", ...place, call_id: callId, delta }, wait)
      : beat({ type: "response.output_text.delta", ...inContent, delta }, wait);
  });
  const ends: RealtimeEvent[] = call
    ? [
        {
          type: "response.function_call_arguments.done",
          ...place,
          call_id: callId,
          name: call.name,
          arguments: text,
        },
      ]
    : [
        { type: "response.output_text.done", ...inContent, text },
        { type: "response.content_part.done", ...inContent, part: part(text) },
      ];
  return {
    beats: [
      beat({ type: "response.created", response: response("in_progress", []) }),
      beat({ type: "response.output_item.added", response_id, output_index: 0, item: item("", "in_progress") }),
      ...(call ? [] : [beat({ type: "response.content_part.added", ...inContent, part: part("") })]),
      ...deltas,
      ...ends.map((event) => beat(event)),
      beat({ type: "response.output_item.done", response_id, output_index: 0, item: whole }),
      beat({
        type: "response.done",
        response: response(finish === "length" ? "incomplete" : "completed", [whole], pieces.length),
      }),
    ],
    cancelled(said) {
      const output = [item(pieces.slice(0, said).join(""), "incomplete")];
      return { type: "response.done", response: response("cancelled", output, said) };
    },
    item: whole,
  };
}

function usageOf(input: number, cached: number, output: number): RealtimeResponseUsage {
  const cached_tokens = Math.min(cached, input);
  return {
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
    input_token_details: {
      text_tokens: input,
      audio_tokens: 0,
      image_tokens: 0,
      cached_tokens,
      cached_tokens_details: { text_tokens: cached_tokens, audio_tokens: 0, image_tokens: 0 },
    },
    output_token_details: { text_tokens: output, audio_tokens: 0 },
  };
}
