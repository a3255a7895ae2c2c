// Makes the Response object: the output items of a composition, and everything that says how it was asked for.
import type { Response, ResponseOutputItem, ResponseUsage } from "openai/resources/responses/responses";
import type { Composition } from "./compose.ts";
import type { Stage } from "./endpoint.ts";
import { fieldsIn } from "./fields.ts";
import type { ResponseRequest } from "./response-request.ts";

/** As it is on the wire; the SDK adds `output_text` itself. */
export type WireResponse = Omit<Response, "output_text" | "usage"> & { readonly usage: ResponseUsage | null };

/** The whole response, as it is when it is over. */
export function responseObject(request: ResponseRequest, made: Composition, stage: Stage): WireResponse {
  const { model, prompt, body, limit, metadata, previous, background, stored } = request;
  const cut = made.finish === "length";
  const now = stage.now();
  // What the client sent is sent back as it was; of the rest, OpenAI's defaults.
  const echoed = {
    instructions: body.instructions ?? null,
    tools: body.tools ?? [],
    tool_choice: body.tool_choice ?? "auto",
    text: { format: { type: "text" }, verbosity: "medium", ...fieldsIn(body.text) },
  } as Pick<WireResponse, "instructions" | "tools" | "tool_choice" | "text">;
  const response: WireResponse = {
    id: stage.dice.id("resp_"),
    object: "response",
    created_at: now,
    status: cut ? "incomplete" : "completed",
    background,
    completed_at: cut ? null : now,
    error: null,
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    ...echoed,
    max_output_tokens: limit ?? null,
    max_tool_calls: null,
    model,
    output: outputItems(request, made, stage),
    parallel_tool_calls: body.parallel_tool_calls !== false,
    previous_response_id: previous ?? null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null, ...fieldsIn(body.reasoning) },
    safety_identifier: typeof body.safety_identifier === "string" ? body.safety_identifier : null,
    service_tier: "default",
    temperature: typeof body.temperature === "number" ? body.temperature : 1,
    top_logprobs: 0,
    top_p: typeof body.top_p === "number" ? body.top_p : 1,
    truncation: body.truncation === "auto" ? "auto" : "disabled",
    usage: usageOf(prompt.tokens, stage.promptCache(prompt.text), made),
    metadata: metadata ?? {},
    access_programs: null,
  };
  return { ...response, ...{ store: stored } };
}

function outputItems({ summarised }: ResponseRequest, made: Composition, stage: Stage): ResponseOutputItem[] {
  const { reasoning, pieces, call, finish } = made;
  const { dice } = stage;
  const status = finish === "length" ? "incomplete" : "completed";
  const items: ResponseOutputItem[] = [];
  if (reasoning.length > 0) {
    const summary = summarised ? [{ type: "summary_text" as const, text: reasoning.join("") }] : [];
    items.push({ id: dice.id("rs_"), type: "reasoning", summary });
  }
  const text = pieces.join("");
  if (call?.custom) {
    const id = dice.id("ctc_");
    items.push({ id, type: "custom_tool_call", call_id: dice.id("call_"), name: call.name, input: text });
  } else if (call) {
    const id = dice.id("fc_");
    const call_id = dice.id("call_");
    items.push({ id, type: "function_call", status, call_id, name: call.name, arguments: text });
  } else if (pieces.length > 0) {
    const content = [{ type: "output_text" as const, text, annotations: [], logprobs: [] }];
    items.push({ id: dice.id("msg_"), type: "message", status, role: "assistant", content });
  }
  return items;
}

function usageOf(input: number, cached: number, { tokens, reasoning }: Composition): ResponseUsage {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: Math.min(cached, input), cache_write_tokens: 0 },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: reasoning.length },
    total_tokens: input + tokens,
  };
}

/** The same response before anything of it was made. */
export function begun(response: WireResponse, status: "in_progress" | "queued"): WireResponse {
  return { ...response, status, completed_at: null, incomplete_details: null, output: [], usage: null };
}
