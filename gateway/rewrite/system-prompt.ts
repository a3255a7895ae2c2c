// Puts the operator's system prompt into a request, before, after or in place of the client's own.
import type { Operation } from "../../instrumentation/index.ts";
import { listAt, objectAt } from "../json-members.ts";
import { memberOf, spliced, withMember } from "./splice.ts";

export interface SystemPrompt {
  /** Where it stands towards the client's own system messages. */
  readonly mode: "prepend" | "append" | "replace";
  readonly text: string;
}

/**
 * The request with the prompt in it: a `system` message of a chat, the `instructions` of a response. Gives `body` itself
 * where the operation takes no such prompt or the body is not what it should be, which its backend will say. Takes
 * bytes that JSON.parse has taken.
 */
export function withSystemPrompt(body: Buffer, prompt: SystemPrompt, operation: Operation): Buffer {
  if (operation === "chat") return inMessages(body, "messages", prompt);
  if (operation !== "response") return body;
  // The instructions of a response go before its input, whose own system messages a replaced prompt replaces, too.
  return inInstructions(prompt.mode === "replace" ? withoutSystem(body, "input") : body, prompt);
}

const systemRoles: ReadonlySet<unknown> = new Set(["system", "developer"]);

interface Message {
  readonly text: string;
  /** `undefined` for what is no system message. */
  readonly role: string | undefined;
}

/** The messages under a member, as they are written, and where their list stands. */
function messagesOf(body: Buffer, member: string) {
  const object = objectAt(body);
  const place = object && memberOf(object, member);
  const list = place && listAt(body, place.start);
  if (list === undefined) return undefined;
  const messages = list.elements.map(({ start, end }): Message => {
    const text = body.toString("utf8", start, end);
    const value: unknown = JSON.parse(text);
    const role = typeof value === "object" && value !== null && "role" in value ? value.role : undefined;
    return { text, role: typeof role === "string" && systemRoles.has(role) ? role : undefined };
  });
  return { messages, start: list.open, end: list.close + 1 };
}

const listed = (messages: readonly Message[]): string => `[${messages.map(({ text }) => text).join(",")}]`;

function inMessages(body: Buffer, member: string, { mode, text }: SystemPrompt): Buffer {
  const found = messagesOf(body, member);
  if (found === undefined) return body;
  const { messages, start, end } = found;
  // In the client's own word for it, since models that know `developer` may take only one of the two.
  const role = messages.find((message) => message.role !== undefined)?.role ?? "system";
  const own: Message = { text: JSON.stringify({ role, content: text }), role };
  const kept = mode === "replace" ? messages.filter((message) => message.role === undefined) : messages;
  const leading = kept.findIndex((message) => message.role === undefined);
  const at = mode === "append" ? (leading < 0 ? kept.length : leading) : 0;
  return spliced(body, start, end, listed(kept.toSpliced(at, 0, own)));
}

function withoutSystem(body: Buffer, member: string): Buffer {
  const found = messagesOf(body, member);
  if (found === undefined) return body;
  const kept = found.messages.filter((message) => message.role === undefined);
  return kept.length === found.messages.length ? body : spliced(body, found.start, found.end, listed(kept));
}

function inInstructions(body: Buffer, { mode, text }: SystemPrompt): Buffer {
  const object = objectAt(body);
  if (object === undefined) return body;
  const place = memberOf(object, "instructions");
  const given: unknown = place && JSON.parse(body.toString("utf8", place.start, place.end));
  const own = typeof given === "string" && given !== "" && mode !== "replace" ? given : undefined;
  const parts = mode === "append" ? [own, text] : [text, own];
  return withMember(body, "instructions", JSON.stringify(parts.filter((part) => part !== undefined).join("\n\n")));
}
