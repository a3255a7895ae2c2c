// Reads and checks a Responses request.
import { toolToCall } from "./chat-request.ts";
import type { Format, Tool } from "./compose.ts";
import {
  type Fields,
  fieldsIn,
  flagField,
  isFields,
  listField,
  metadataField,
  numberField,
  objectField,
  textField,
  wholeField,
  wordField,
} from "./fields.ts";
import { modelFor } from "./models.ts";
import { type Prompt, promptOf } from "./prompt.ts";
import { missing, wrongType } from "./refusal.ts";

export interface ResponseRequest {
  readonly model: string;
  /** This request's own input, as items. */
  readonly input: readonly Fields[];
  readonly prompt: Prompt;
  readonly format: Format;
  readonly tool?: Tool;
  readonly limit?: number;
  readonly effort?: string;
  /** A summary of the reasoning is wanted. */
  readonly summarised: boolean;
  readonly streamed: boolean;
  readonly stored: boolean;
  readonly background: boolean;
  readonly previous?: string;
  readonly metadata: Record<string, string> | null;
  readonly body: Fields;
}

/** `earlier` gives the items of a conversation that goes on. Throws a Refusal that names the first wrong parameter. */
export function responseRequest(body: Fields, earlier: (id: string) => readonly Fields[]): ResponseRequest {
  const model = modelFor("text", body);
  const input = inputItems(body);
  numberField(body, "temperature", 0, 2);
  numberField(body, "top_p", 0, 1);
  const instructions = textField(body, "instructions");
  const previous = textField(body, "previous_response_id");
  const tools = functionTools(body);
  const limit = wholeField(body, "max_output_tokens", 16, 1_000_000);
  const reasoning = objectField(body, "reasoning") ?? {};
  const effort = textField(reasoning, "effort");
  const before = previous === undefined ? [] : earlier(previous);
  const extra = [instructions ?? "", body.tools === undefined ? "" : JSON.stringify(body.tools)].join("");
  const tool = input.at(-1)?.role === "user" ? toolToCall(body.tool_choice, tools) : undefined;
  return {
    model,
    input,
    prompt: promptOf([...before, ...input], extra),
    format: formatIn(body),
    ...(tool && { tool }),
    ...(limit !== undefined && { limit }),
    ...(effort !== undefined && { effort }),
    summarised: (reasoning.summary ?? reasoning.generate_summary ?? null) !== null,
    streamed: flagField(body, "stream"),
    stored: body.store === undefined || body.store === null || flagField(body, "store"),
    background: flagField(body, "background"),
    ...(previous !== undefined && { previous }),
    metadata: metadataField(body),
    body,
  };
}

/** The input as a list of items: a string is one message of the user. */
export function inputItems(body: Fields): readonly Fields[] {
  const { input } = body;
  if (input === undefined || input === null) throw missing("input");
  if (typeof input === "string") return [{ type: "message", role: "user", content: input }];
  if (!Array.isArray(input)) throw wrongType("input", "a string or a list");
  return input.map((item, at) => {
    if (!isFields(item)) throw wrongType(`input[${at}]`, "an object");
    return item;
  });
}

/** Tools that run at the client; the provider's own (search, MCP…) are let be. */
function functionTools(body: Fields): readonly Tool[] {
  return (listField(body, "tools") ?? []).flatMap((entry, at) => {
    const { type, name, parameters } = fieldsIn(entry);
    if (typeof type !== "string") throw missing(`tools[${at}].type`);
    if (type !== "function" && type !== "custom") return [];
    if (typeof name !== "string") throw missing(`tools[${at}].name`);
    return [{ name, parameters, custom: type === "custom" }];
  });
}

function formatIn(body: Fields): Format {
  const format = objectField(objectField(body, "text") ?? {}, "format") ?? {};
  const type = wordField(format, "type", ["text", "json_object", "json_schema"]);
  if (type === "json_object") return { kind: "json" };
  if (type !== "json_schema") return { kind: "text" };
  if (typeof format.name !== "string") throw missing("text.format.name");
  return { kind: "json", schema: format.schema ?? { type: "object" } };
}
