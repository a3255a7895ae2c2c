// A prompt as the demo backend needs it: its text, its length in tokens, and what the user said last.
import { fieldsIn, listIn } from "./fields.ts";
import { tokensOf } from "./pieces.ts";

export interface Prompt {
  readonly tokens: number;
  /** All of it, for the prompt cache and for seeds. */
  readonly text: string;
  /** The last words of the user, by which a topic is found. */
  readonly asked: string;
}

const perMessage = 4;
const perPrompt = 3;
/** For each picture, sound or file in a prompt. */
const perAttachment = 85;

/** Texts in a message's content: a string, or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return listIn(content)
    .map((part) => fieldsIn(part).text)
    .filter((text) => typeof text === "string")
    .join("\n");
}

const attachmentsIn = (content: unknown): number =>
  listIn(content).filter((part) => typeof fieldsIn(part).text !== "string").length;

/** Reads chat messages or Responses input items; `extra` is other text that is sent along, such as tools. */
export function promptOf(messages: readonly unknown[], extra = ""): Prompt {
  let tokens = perPrompt + tokensOf(extra);
  let asked = "";
  const texts = [extra];
  for (const message of messages) {
    const { role, content, output, arguments: given, tool_calls } = fieldsIn(message);
    const text = [
      textOf(content),
      textOf(output),
      typeof given === "string" ? given : "",
      ...listIn(tool_calls).map((call) => String(fieldsIn(fieldsIn(call).function).arguments ?? "")),
    ].join("");
    if (role === "user") asked = text;
    texts.push(text);
    tokens += tokensOf(text) + perMessage + attachmentsIn(content) * perAttachment;
  }
  return { tokens, text: texts.join("\n"), asked };
}
