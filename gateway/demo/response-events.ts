// A response as the events in which it is streamed.
import type {
  ResponseCustomToolCall,
  ResponseFunctionToolCall,
  ResponseOutputItem,
  ResponseOutputMessage,
  ResponseReasoningItem,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import type { Composition, Tempo } from "./compose.ts";
import type { Beat } from "./endpoint.ts";
import { piecesOf } from "./pieces.ts";
import { begun, type WireResponse } from "./response-object.ts";

/** An event before it has its number; the whole response goes on the wire without what the SDK adds to it. */
type Unnumbered<Event = ResponseStreamEvent> = Event extends { response: unknown }
  ? Omit<Event, "sequence_number" | "response"> & { response: WireResponse }
  : Omit<Event, "sequence_number">;

interface Step {
  readonly wait: number;
  readonly event: Unnumbered;
}

const at = (event: Unnumbered, wait = 0): Step => ({ wait, event });

/** Every event from `response.created` to the one that carries the whole response, numbered from 0. */
export function responseBeats(response: WireResponse, made: Composition, tempo: Tempo): readonly Beat[] {
  const start = begun(response, "in_progress");
  // Reasoning that is not shown still takes its time before the next item.
  const shown = response.output.some((item) => item.type === "reasoning" && item.summary.length > 0);
  const silence = shown ? 0 : made.reasoning.length * tempo.each;
  const steps = [
    at({ type: "response.created", response: start }),
    at({ type: "response.in_progress", response: start }),
    ...response.output.flatMap((item, index) => itemSteps(item, index, tempo)),
    at(
      response.status === "incomplete"
        ? { type: "response.incomplete", response }
        : { type: "response.completed", response },
    ),
  ];
  return steps.map(({ wait, event }, number) => ({
    wait: wait + (number === 2 ? tempo.first : 0) + (number === 3 ? silence : 0),
    name: event.type,
    data: { ...event, sequence_number: number },
  }));
}

function itemSteps(item: ResponseOutputItem, index: number, tempo: Tempo): readonly Step[] {
  const { started, steps } = parts(item, index, tempo);
  return [
    at({ type: "response.output_item.added", output_index: index, item: started }),
    ...steps,
    at({ type: "response.output_item.done", output_index: index, item }),
  ];
}

interface Parts {
  /** The item while it is still empty. */
  readonly started: ResponseOutputItem;
  readonly steps: readonly Step[];
}

function parts(item: ResponseOutputItem, index: number, tempo: Tempo): Parts {
  if (item.type === "message") return message(item, index, tempo);
  if (item.type === "reasoning") return reasoning(item, index, tempo);
  if (item.type === "function_call") return functionCall(item, index, tempo);
  if (item.type === "custom_tool_call") return customCall(item, index, tempo);
  return { started: item, steps: [] };
}

function message(item: ResponseOutputMessage, index: number, { each }: Tempo): Parts {
  const part = item.content[0];
  const text = part?.type === "output_text" ? part.text : "";
  const place = { item_id: item.id, output_index: index, content_index: 0 };
  const whole = (words: string) => ({ type: "output_text" as const, annotations: [], logprobs: [], text: words });
  return {
    started: { ...item, status: "in_progress", content: [] },
    steps: [
      at({ type: "response.content_part.added", ...place, part: whole("") }),
      ...piecesOf(text).map((delta) => at({ type: "response.output_text.delta", ...place, delta, logprobs: [] }, each)),
      at({ type: "response.output_text.done", ...place, text, logprobs: [] }),
      at({ type: "response.content_part.done", ...place, part: whole(text) }),
    ],
  };
}

function reasoning(item: ResponseReasoningItem, index: number, { each }: Tempo): Parts {
  const text = item.summary[0]?.text;
  if (text === undefined) return { started: item, steps: [] };
  const place = { item_id: item.id, output_index: index, summary_index: 0 };
  const whole = (words: string) => ({ type: "summary_text" as const, text: words });
  return {
    started: { ...item, summary: [] },
    steps: [
      at({ type: "response.reasoning_summary_part.added", ...place, part: whole("") }),
      ...piecesOf(text).map((delta) => at({ type: "response.reasoning_summary_text.delta", ...place, delta }, each)),
      at({ type: "response.reasoning_summary_text.done", ...place, text }),
      at({ type: "response.reasoning_summary_part.done", ...place, part: whole(text) }),
    ],
  };
}

function functionCall(item: ResponseFunctionToolCall, index: number, { each }: Tempo): Parts {
  const { id: item_id = "", name, arguments: given } = item;
  const place = { item_id, output_index: index };
  // The wire has the name here, too, though the SDK's type does not know it.
  const done = { type: "response.function_call_arguments.done" as const, ...place, name, arguments: given };
  return {
    started: { ...item, status: "in_progress", arguments: "" },
    steps: [
      ...piecesOf(given).map((delta) => at({ type: "response.function_call_arguments.delta", ...place, delta }, each)),
      at(done),
    ],
  };
}

function customCall(item: ResponseCustomToolCall, index: number, { each }: Tempo): Parts {
  const { id: item_id = "", input } = item;
  const place = { item_id, output_index: index };
  return {
    started: { ...item, input: "" },
    steps: [
      ...piecesOf(input).map((delta) => at({ type: "response.custom_tool_call_input.delta", ...place, delta }, each)),
      at({ type: "response.custom_tool_call_input.done", ...place, input }),
    ],
  };
}
