// What every request body may say, whatever its endpoint.
import { countIn, type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import type { RequestFacts } from "./receiver.ts";

const maxPairs = 16;
const maxKeyCharacters = 64;
const maxValueCharacters = 128;
const maxUserCharacters = 256;

/**
 * Model, stream, user and metadata of a request body. A multipart body is given as its fields, where everything is
 * text: `"true"` asks for a stream too.
 */
export function commonFacts(body: unknown): DraftFacts {
  const request = objectIn(body);
  if (request === undefined) return { streamed: false };
  const facts: DraftFacts = { streamed: request.stream === true || request.stream === "true" };
  const model = textIn(request.model);
  const user = textIn(request.safety_identifier) ?? textIn(request.user);
  const metadata = metadataIn(request.metadata);
  if (model !== undefined) facts.model = model;
  if (user !== undefined) facts.user = user.slice(0, maxUserCharacters);
  if (metadata !== undefined) facts.metadata = metadata;
  const choices = choicesIn(request);
  if (choices > 1) facts.choices = choices;
  const most = maxOutputIn(request, choices);
  if (most !== undefined) facts.maxOutputTokens = most;
  return facts;
}

/** More is no limit at all. */
export const mostTokens = 1_000_000_000;

/** By any of its names (chat, the older completions, Responses), times the choices. */
function maxOutputIn(
  { max_completion_tokens, max_tokens, max_output_tokens }: JsonObject,
  choices: number,
): number | undefined {
  const most = countIn(max_completion_tokens) ?? countIn(max_tokens) ?? countIn(max_output_tokens);
  return most === undefined ? undefined : Math.min(most * choices, mostTokens);
}

/** Those that are asked for, or of which the best are, to each prompt: the backend charges for each that it makes. */
const choicesIn = ({ n, best_of, prompt }: JsonObject): number =>
  Math.max(1, countIn(n) ?? 1, countIn(best_of) ?? 1) * promptsIn(prompt);

/** A list of numbers is one prompt, in tokens. */
const promptsIn = (prompt: unknown): number =>
  Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(1, prompt.length) : 1;

/** Facts that are being put together. */
export type DraftFacts = { -readonly [Key in keyof RequestFacts]: RequestFacts[Key] };

/** OpenAI's limits hold: 16 pairs, keys of 64 characters. Values are cut to 128; what is no text is left out. */
function metadataIn(value: unknown): Readonly<Record<string, string>> | undefined {
  const given = objectIn(value);
  if (given === undefined) return undefined;
  const pairs: [string, string][] = [];
  for (const key in given) {
    const text = given[key];
    if (typeof text !== "string" || key.length > maxKeyCharacters) continue;
    if (pairs.push([key, text.slice(0, maxValueCharacters)]) === maxPairs) break;
  }
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

/** Facts of a request that is streamed as chat and completions are: usage comes only where it is asked for. */
export function streamFacts(body: unknown): DraftFacts {
  const facts = commonFacts(body);
  if (facts.streamed) facts.asksForUsage = objectIn(objectIn(body)?.stream_options)?.include_usage === true;
  return facts;
}

/** `server_label` of each MCP tool. */
export function mcpServersIn(tools: unknown): string[] {
  const labels: string[] = [];
  for (const entry of listIn(tools)) {
    const tool = objectIn(entry);
    const label = tool?.type === "mcp" ? textIn(tool.server_label) : undefined;
    if (label !== undefined) labels.push(label);
  }
  return labels;
}
