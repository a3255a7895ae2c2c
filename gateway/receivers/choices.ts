// The dialect of answers that come as `choices`: chat completions and the older completions.
import type { Dialect, Draft, Reading } from "./dialect.ts";
import { errorIn } from "./failure.ts";
import { type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import { tokensIn } from "./tokens.ts";

/** Something written: text, or its length where it was too long to be kept. */
const written = (value: unknown) => (typeof value === "string" ? value !== "" : typeof value === "number" && value > 0);

/** Whether a message, or a delta of one, holds content, reasoning, a refusal, audio or a tool call. */
function speaks(message: JsonObject): boolean {
  const { content, reasoning_content, reasoning, refusal, tool_calls, function_call, audio } = message;
  if (written(content) || written(reasoning_content) || written(reasoning) || written(refusal)) return true;
  const sound = objectIn(audio);
  if (sound !== undefined && (written(sound.data) || written(sound.transcript))) return true;
  // Mistral sends content, and reasoning in it, as a list of parts.
  return listIn(content).length > 0 || listIn(tool_calls).length > 0 || objectIn(function_call) !== undefined;
}

function read(value: unknown): Reading {
  const answer = objectIn(value);
  if (answer === undefined) return {};
  const model = textIn(answer.model);
  const tokens = tokensIn(answer.usage) ?? tokensIn(objectIn(answer.x_groq)?.usage);
  const error = errorIn(answer);
  let finish: string | undefined;
  let over = false;
  for (const entry of listIn(answer.choices)) {
    const choice = objectIn(entry);
    const reason = textIn(choice?.finish_reason);
    if (reason === undefined) continue;
    over = true;
    if (choice?.index === 0 || choice?.index === undefined) finish ??= reason;
  }
  const reading: Draft = {};
  if (model !== undefined) reading.model = model;
  if (tokens !== undefined) reading.tokens = tokens;
  if (finish !== undefined) reading.finish = finish;
  if (error !== undefined) reading.error = error;
  if (over) reading.over = over;
  return reading;
}

const choicesOf = (value: unknown): JsonObject[] => {
  const choices: JsonObject[] = [];
  for (const entry of listIn(objectIn(value)?.choices)) {
    const choice = objectIn(entry);
    if (choice !== undefined) choices.push(choice);
  }
  return choices;
};

const messageOf = (choice: JsonObject): JsonObject | undefined => objectIn(choice.delta) ?? objectIn(choice.message);

function textOf(choice: JsonObject): string {
  if (typeof choice.text === "string") return choice.text;
  const message = messageOf(choice);
  if (message === undefined) return "";
  let text = "";
  for (const part of [message.reasoning_content ?? message.reasoning, message.content, message.refusal]) {
    if (typeof part === "string") text += part;
  }
  for (const call of listIn(message.tool_calls)) {
    const asked = objectIn(objectIn(call)?.function);
    text += `${textIn(asked?.name) ?? ""}${textIn(asked?.arguments) ?? ""}`;
  }
  return text;
}

const message = {
  content: "length",
  reasoning_content: "length",
  reasoning: "length",
  refusal: "length",
  audio: { data: "length", transcript: "length" },
  tool_calls: [{ index: "value" }],
} as const;

export const choices: Dialect = {
  read,
  isToken(value) {
    for (const entry of listIn(objectIn(value)?.choices)) {
      const choice = objectIn(entry);
      const delta = choice && messageOf(choice);
      if (written(choice?.text) || (delta !== undefined && speaks(delta))) return true;
    }
    return false;
  },
  text: (value) => choicesOf(value).map(textOf).join(""),
  wanted: {
    model: "value",
    usage: "value",
    x_groq: { usage: "value" },
    error: "value",
    choices: [{ index: "value", finish_reason: "value", text: "length", delta: message, message }],
  },
};
