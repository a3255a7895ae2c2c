// Completions: the older endpoint, text in and text out.
import type { Completion } from "openai/resources/completions";
import { usageOf } from "./chat.ts";
import { stopsIn, streamIn } from "./chat-request.ts";
import { chanceFor, compose, tempoOf } from "./compose.ts";
import { type Answer, type Beat, json, type Route, type Stage } from "./endpoint.ts";
import { type Fields, flagField, numberField, wholeField } from "./fields.ts";
import { modelFor } from "./models.ts";
import { tokensOf } from "./pieces.ts";
import { wrongType } from "./refusal.ts";

export const completionRoutes = (stage: Stage): readonly Route[] => [
  { method: "POST", path: "/completions", answer: ({ body }) => completions(body, stage) },
];

interface Given {
  readonly text: string;
  readonly tokens: number;
}

/** One text or several, as strings or as token numbers. */
function promptsIn({ prompt = "" }: Fields): readonly Given[] {
  const ofText = (text: string) => ({ text, tokens: tokensOf(text) });
  const ofNumbers = (list: readonly unknown[]) => ({ text: "", tokens: list.length });
  if (typeof prompt === "string") return [ofText(prompt)];
  if (!Array.isArray(prompt) || prompt.length === 0) throw wrongType("prompt", "a string or a list");
  if (prompt.every((entry) => typeof entry === "number")) return [ofNumbers(prompt)];
  return prompt.map((entry: unknown) => {
    if (typeof entry === "string") return ofText(entry);
    if (Array.isArray(entry)) return ofNumbers(entry);
    throw wrongType("prompt", "a list of strings, of numbers, or of lists of numbers");
  });
}

function completions(body: Fields, stage: Stage): Answer {
  const model = modelFor("text", body);
  const prompts = promptsIn(body);
  numberField(body, "temperature", 0, 2);
  const answers = wholeField(body, "n", 1, 128) ?? 1;
  const limit = wholeField(body, "max_tokens", 0, 1_000_000) ?? 16;
  const seed = wholeField(body, "seed", -(2 ** 53), 2 ** 53);
  const echo = flagField(body, "echo");
  const stops = stopsIn(body);
  const { streamed, usageWanted } = streamIn(body);

  const made = prompts.flatMap(({ text, tokens }) =>
    Array.from({ length: answers }, (_, at) => {
      const prompt = { text, tokens, asked: text };
      const dice = chanceFor(stage.dice, seed, prompt, at);
      const composition = compose({ prompt, dice, reasoning: 0, format: { kind: "text" }, stops, limit });
      return { ...composition, before: echo ? text : "" };
    }),
  );
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.tokens, 0);
  const usage = usageOf(tokens, stage.promptCache(prompts.map(({ text }) => text).join("\n")), made);
  const frame = { id: stage.dice.id("cmpl-"), object: "text_completion", created: stage.now(), model } as const;
  const reason = (finish: string) => (finish === "length" ? "length" : "stop");
  const tempo = tempoOf(stage.dice);

  if (!streamed) {
    const completion: Completion = {
      ...frame,
      choices: made.map(({ before, pieces, finish }, index) => ({
        index,
        text: before + pieces.join(""),
        logprobs: null,
        finish_reason: reason(finish),
      })),
      usage,
    };
    return json(completion, tempo.first + tempo.each * Math.max(...made.map((one) => one.tokens)));
  }

  const more = usageWanted && { usage: null };
  const chunk = (index: number, text: string, finish: "stop" | "length" | null = null) => ({
    ...frame,
    choices: [{ index, text, logprobs: null, finish_reason: finish }],
    ...more,
  });
  const beats: Beat[] = [];
  for (const [index, { before, pieces, finish }] of made.entries()) {
    if (before !== "") beats.push({ wait: 0, data: chunk(index, before) });
    for (const piece of pieces) {
      beats.push({ wait: beats.length === 0 ? tempo.first : tempo.each, data: chunk(index, piece) });
    }
    beats.push({ wait: 0, data: chunk(index, "", reason(finish)) });
  }
  if (usageWanted) beats.push({ wait: 0, data: { ...frame, choices: [], usage } });
  return { kind: "events", beats, done: true };
}
