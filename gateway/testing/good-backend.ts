// A backend that works and says who it is, so that a test can tell whose bytes a client got.
import { eventStream, json } from "./answers.ts";
import { chatCompletion, chatEvents, withoutUsageChunk } from "./payloads.ts";
import type { Answer } from "./turn.ts";

export type Kind = "json" | "stream";

export const usage = { input: 11, output: 7 };

/** Its answer, in the form that is asked for. */
export const good = (name: string): Answer => answerOf(["I am ", name]);

const answerOf =
  (words: readonly string[]): Answer =>
  async (turn) => {
    const body = (await turn.request.readBody()).toString();
    const isStream = body.includes('"stream":true');
    const isAsked = body.includes('"include_usage":true');
    const stream = chatEvents({ model: "served", words, ...(isAsked && { usage }) });
    await (isStream ? eventStream(stream) : json(chatCompletion("served", usage, words.join(""))))(turn);
  };

/** What a client that did not ask for usage sees of it. */
export const goodBody = (name: string, kind: Kind): string =>
  kind === "json"
    ? JSON.stringify(chatCompletion("served", usage, `I am ${name}`))
    : withoutUsageChunk(chatEvents({ model: "served", usage, words: ["I am ", name] })).join("");
