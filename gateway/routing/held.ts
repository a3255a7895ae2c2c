// What an answer says that was kept back: its error in words, and whether it only minds being asked for usage.
import type { HeldAnswer } from "../attempt.ts";

export const rejectsStreamOptions = ({ body }: HeldAnswer): boolean =>
  /stream_options|include_usage/.test(body.toString("utf8"));

/** The message of an OpenAI-shaped error body; `undefined` for any other. */
export function errorText({ body }: HeldAnswer): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    const error = typeof parsed === "object" && parsed !== null && "error" in parsed ? parsed.error : undefined;
    if (typeof error === "string") return error;
    if (typeof error === "object" && error !== null && "message" in error && typeof error.message === "string")
      return error.message;
  } catch {
    // Not JSON: nothing that could be told.
  }
  return undefined;
}
