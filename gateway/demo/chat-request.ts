// Reads and checks a chat completion request.
import type { Format, Tool } from "./compose.ts";
import {
  type Fields,
  fieldsIn,
  flagField,
  listField,
  listIn,
  metadataField,
  numberField,
  objectField,
  textField,
  wholeField,
  wordField,
} from "./fields.ts";
import { modelFor } from "./models.ts";
import { type Prompt, promptOf } from "./prompt.ts";
import { missing, Refusal, wrongType, wrongValue } from "./refusal.ts";

export interface ChatRequest {
  readonly model: string;
  readonly prompt: Prompt;
  readonly answers: number;
  readonly format: Format;
  readonly tool?: Tool;
  readonly stops: readonly string[];
  readonly limit?: number;
  readonly seed?: number;
  readonly effort?: string;
  readonly streamed: boolean;
  readonly usageWanted: boolean;
  readonly metadata: Record<string, string> | null;
}

const roles = ["system", "developer", "user", "assistant", "tool", "function"];

/** Throws a Refusal that names the first wrong parameter. */
export function chatRequest(body: Fields): ChatRequest {
  const model = modelFor("text", body);
  const messages = messagesIn(body);
  numberField(body, "temperature", 0, 2);
  numberField(body, "top_p", 0, 1);
  const tools = toolsIn(body, "tools");
  const limit = wholeField(body, "max_completion_tokens", 1, 1_000_000) ?? wholeField(body, "max_tokens", 1, 1_000_000);
  const seed = wholeField(body, "seed", -(2 ** 53), 2 ** 53);
  const effort = textField(body, "reasoning_effort");
  const tool = lastRole(messages) === "user" ? toolToCall(body.tool_choice, tools) : undefined;
  return {
    model,
    prompt: promptOf(messages, body.tools === undefined ? "" : JSON.stringify(body.tools)),
    answers: wholeField(body, "n", 1, 128) ?? 1,
    format: formatIn(body, messages),
    ...(tool && { tool }),
    stops: stopsIn(body),
    ...(limit !== undefined && { limit }),
    ...(seed !== undefined && { seed }),
    ...(effort !== undefined && { effort }),
    ...streamIn(body),
    metadata: metadataField(body),
  };
}

function messagesIn(body: Fields): readonly Fields[] {
  const messages = listField(body, "messages");
  if (messages === undefined) throw missing("messages");
  if (messages.length === 0) {
    throw new Refusal("'messages' must have at least one message.", { param: "messages", code: "empty_array" });
  }
  let called = false;
  return messages.map((message, at) => {
    const { role, tool_calls } = fieldsIn(message);
    if (typeof role !== "string" || !roles.includes(role)) {
      throw wrongValue(`messages[${at}].role`, `one of ${roles.join(", ")}`);
    }
    if (role === "tool" && !called) {
      throw new Refusal("A message of role 'tool' must follow one with 'tool_calls'.", {
        param: `messages.[${at}].role`,
      });
    }
    called = role === "tool" || listIn(tool_calls).length > 0;
    return fieldsIn(message);
  });
}

const lastRole = (messages: readonly Fields[]) => messages.at(-1)?.role;

function formatIn(body: Fields, messages: readonly Fields[]): Format {
  const format = objectField(body, "response_format");
  if (format === undefined) return { kind: "text" };
  const type = wordField(format, "type", ["text", "json_object", "json_schema"]);
  if (type === "json_object") {
    if (/json/i.test(JSON.stringify(messages.map(({ content }) => content)))) return { kind: "json" };
    throw new Refusal("For response_format json_object the messages must say that JSON is wanted.", {
      param: "messages",
    });
  }
  if (type !== "json_schema") return { kind: "text" };
  const { name, schema } = fieldsIn(format.json_schema);
  if (typeof name !== "string") throw missing("response_format.json_schema.name");
  return { kind: "json", schema: schema ?? { type: "object" } };
}

/** Function and custom tools of a chat request; others are not known there. */
function toolsIn(body: Fields, param: string): readonly Tool[] {
  return (listField(body, param) ?? []).map((entry, at) => {
    const tool = fieldsIn(entry);
    const custom = tool.type === "custom";
    if (!custom && tool.type !== "function") throw wrongValue(`${param}[${at}].type`, "function or custom");
    const { name, parameters } = fieldsIn(custom ? tool.custom : tool.function);
    if (typeof name !== "string") throw missing(`${param}[${at}].${custom ? "custom" : "function"}.name`);
    return { name, parameters, custom };
  });
}

/** The tool that `tool_choice` names, else the first; none where it says so. Chat and Responses spell it differently. */
export function toolToCall(choice: unknown, tools: readonly Tool[]): Tool | undefined {
  if (choice === "none") return undefined;
  const chosen = fieldsIn(choice);
  const name = chosen.name ?? fieldsIn(chosen.function ?? chosen.custom).name;
  if (name === undefined) return tools[0];
  const tool = tools.find((known) => known.name === name);
  if (tool === undefined) throw wrongValue("tool_choice", "one of the tools");
  return tool;
}

export function stopsIn(body: Fields): readonly string[] {
  const { stop } = body;
  const stops = stop === undefined || stop === null ? [] : Array.isArray(stop) ? stop : [stop];
  if (stops.length > 4) throw wrongValue("stop", "of 4 texts or fewer");
  for (const entry of stops) if (typeof entry !== "string") throw wrongType("stop", "a string or a list of strings");
  return stops.filter((entry) => entry !== "");
}

export function streamIn(body: Fields): { readonly streamed: boolean; readonly usageWanted: boolean } {
  const streamed = flagField(body, "stream");
  const options = objectField(body, "stream_options");
  if (options !== undefined && !streamed) {
    throw new Refusal("'stream_options' is for streamed requests only.", { param: "stream_options" });
  }
  return { streamed, usageWanted: flagField(options ?? {}, "include_usage") };
}
