// Embeddings: vectors made of the words of a text, so that texts with the same words lie close together.
import type { CreateEmbeddingResponse } from "openai/resources/embeddings";
import { hash, seeded } from "./dice.ts";
import { json, type Route } from "./endpoint.ts";
import { type Fields, wholeField, wordField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { tokensOf } from "./pieces.ts";
import { missing, wrongType, wrongValue } from "./refusal.ts";

const usualDimensions = 1536;
const mostInputs = 2048;

interface Input {
  readonly words: readonly string[];
  readonly tokens: number;
}

const ofText = (text: string): Input => {
  if (text === "") throw wrongValue("input", "of texts that are not empty");
  return { words: text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text], tokens: tokensOf(text) };
};
const ofNumbers = (list: readonly unknown[]): Input => ({ words: list.map(String), tokens: list.length });

function inputsIn({ input }: Fields): readonly Input[] {
  if (input === undefined || input === null) throw missing("input");
  if (typeof input === "string") return [ofText(input)];
  if (!Array.isArray(input)) throw wrongType("input", "a string or a list");
  if (input.length === 0 || input.length > mostInputs) throw wrongValue("input", `of 1 to ${mostInputs} entries`);
  if (input.every((entry) => typeof entry === "number")) return [ofNumbers(input)];
  return input.map((entry: unknown) => {
    if (typeof entry === "string") return ofText(entry);
    if (Array.isArray(entry) && entry.length > 0) return ofNumbers(entry);
    throw wrongType("input", "a list of strings, of numbers, or of lists of numbers");
  });
}

/** A vector of length 1: the sum of one pseudo-random direction per word. */
function vector(words: readonly string[], dimensions: number): Float32Array {
  const sum = new Float32Array(dimensions);
  // Beyond some hundred words the direction hardly changes, but the work goes on growing.
  for (const word of words.slice(0, 200)) {
    const next = seeded(hash(word));
    for (let at = 0; at < dimensions; at++) sum[at] = (sum[at] ?? 0) + next() - 0.5;
  }
  const length = Math.hypot(...sum) || 1;
  return sum.map((value) => value / length);
}

export const embeddingRoutes = (): readonly Route[] => [
  {
    method: "POST",
    path: "/embeddings",
    answer({ body }) {
      const model = modelFor("embedding", body);
      const inputs = inputsIn(body);
      const dimensions = wholeField(body, "dimensions", 1, usualDimensions) ?? usualDimensions;
      const encoded = wordField(body, "encoding_format", ["float", "base64"]) === "base64";
      const tokens = inputs.reduce((sum, input) => sum + input.tokens, 0);
      const data = inputs.map(({ words }, index) => {
        const values = vector(words, dimensions);
        const embedding = encoded ? Buffer.from(values.buffer).toString("base64") : [...values];
        return { object: "embedding" as const, index, embedding };
      });
      const answer: Omit<CreateEmbeddingResponse, "data"> = {
        object: "list",
        model,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
      return json({ ...answer, data }, 30 + inputs.length);
    },
  },
];
