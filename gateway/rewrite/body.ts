// The body that one target is sent: the client's own, with the model's name there, the operator's prompt, a wish for usage.
import type { Operation } from "../../instrumentation/index.ts";
import { askForUsage } from "../usage-filter.ts";
import { withMember } from "./splice.ts";
import { type SystemPrompt, withSystemPrompt } from "./system-prompt.ts";

export interface Wanted {
  /** The model's name at the target; `undefined`: as the client wrote it. */
  readonly model: string | undefined;
  readonly prompts: readonly SystemPrompt[];
  readonly withUsage: boolean;
  readonly operation: Operation;
}

export interface Rewritten {
  /** `undefined` where the client's own body can go as it is. */
  readonly body: Buffer | undefined;
  readonly systemPromptApplied: boolean;
}

const untouched: Rewritten = { body: undefined, systemPromptApplied: false };

/** `json`: the client's body as plain JSON bytes that JSON.parse has taken. */
export function rewritten(json: Buffer, { model, prompts, withUsage, operation }: Wanted): Rewritten {
  if (model === undefined && prompts.length === 0 && !withUsage) return untouched;
  let body = model === undefined ? json : withMember(json, "model", JSON.stringify(model));
  const before = body;
  for (const prompt of prompts) body = withSystemPrompt(body, prompt, operation);
  const systemPromptApplied = body !== before;
  if (withUsage) body = askForUsage(body);
  return { body: body === json ? undefined : body, systemPromptApplied };
}
