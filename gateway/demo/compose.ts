// Composes one answer: reasoning, then text, JSON or a tool call, within the limits that were asked for.
import { type Dice, dice, hash, seeded } from "./dice.ts";
import { piecesOf } from "./pieces.ts";
import type { Prompt } from "./prompt.ts";
import { prose, thinking } from "./prose.ts";
import { schemaValue } from "./schema-value.ts";
import { general, topicOf } from "./topics.ts";

export interface Tool {
  readonly name: string;
  /** JSON schema of its arguments; a custom tool takes free text. */
  readonly parameters?: unknown;
  readonly custom: boolean;
}

export type Format = { readonly kind: "text" } | { readonly kind: "json"; readonly schema?: unknown };

export interface Wish {
  readonly prompt: Prompt;
  readonly dice: Dice;
  /** Sentences of reasoning; 0 for a model that does not reason. */
  readonly reasoning: number;
  readonly format: Format;
  /** The tool to call instead of answering. */
  readonly tool?: Tool;
  readonly stops: readonly string[];
  /** Tokens that the answer may have, its reasoning included. */
  readonly limit?: number;
}

export interface Composition {
  readonly reasoning: readonly string[];
  /** The text, or the arguments of the call, in tokens. */
  readonly pieces: readonly string[];
  readonly call?: Tool;
  readonly finish: "stop" | "length" | "tool_calls";
  /** Output tokens, reasoning included. */
  readonly tokens: number;
}

export function compose({ prompt, dice, reasoning, format, tool, stops, limit }: Wish): Composition {
  const room = limit ?? Number.POSITIVE_INFINITY;
  const thought = reasoning === 0 ? [] : piecesOf(thinking(prompt.asked, reasoning, dice));
  const thoughtKept = thought.slice(0, room);
  const whole = piecesOf(tool ? input(tool, prompt, dice) : stopped(answer(format, prompt, dice), stops));
  const pieces = whole.slice(0, room - thoughtKept.length);
  const cut = thoughtKept.length + pieces.length < thought.length + whole.length;
  return {
    reasoning: thoughtKept,
    pieces,
    ...(tool && { call: tool }),
    finish: cut ? "length" : tool ? "tool_calls" : "stop",
    tokens: thoughtKept.length + pieces.length,
  };
}

function answer(format: Format, prompt: Prompt, chance: Dice): string {
  if (format.kind === "text") return prose(prompt.asked, chance);
  const topic = topicOf(prompt.asked);
  if (format.schema !== undefined) return JSON.stringify(schemaValue(format.schema, { dice: chance, topic }));
  return JSON.stringify({ topic: topic.name, answer: chance.pick(topic.sentences), confidence: 0.8 });
}

function input(tool: Tool, prompt: Prompt, chance: Dice): string {
  const topic = topicOf(prompt.asked);
  if (tool.custom) return chance.pick(topic === general ? general.words : topic.words);
  return JSON.stringify(schemaValue(tool.parameters ?? { type: "object" }, { dice: chance, topic }));
}

/** The text up to the first of the stop sequences. */
function stopped(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return text.slice(0, Math.min(text.length, ...ends));
}

/** Sentences of reasoning for an effort, with some chance in it. */
export function reasoningSentences(effort: string | undefined, chance: Dice): number {
  const most = { none: 0, minimal: 1, low: 3, medium: 7, high: 14, xhigh: 20 }[effort ?? "medium"] ?? 7;
  return most <= 1 ? most : chance.whole(Math.ceil(most / 2), most);
}

/** The same answer for the same seed and prompt, where a seed is given; `at` is the answer's number. */
export const chanceFor = (stage: Dice, seed: number | undefined, prompt: Prompt, at = 0): Dice =>
  seed === undefined ? stage : dice(seeded(hash(prompt.text, Math.imul(seed + 1, 0x9e3779b1) + at)));

/** How fast an answer comes, in milliseconds: the wait for the first token, and that for each one after it. */
export interface Tempo {
  readonly first: number;
  readonly each: number;
}

/** 150 to 400 ms, then 40 to 80 tokens per second. */
export const tempoOf = (chance: Dice): Tempo => ({
  first: chance.between(150, 400),
  each: 1000 / chance.between(40, 80),
});
