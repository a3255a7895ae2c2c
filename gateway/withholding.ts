// The beginning of an answer that is kept from the client until it proves to be one, and what is left of one that did not.
import type { ExchangeDraft } from "../instrumentation/index.ts";
import { Gathered } from "./gathered.ts";
import type { ReceivedHead } from "./received-head.ts";
import type { Tap } from "./tap.ts";

/** An answer that is longer than this without a token in it is sent as it is. */
const mostBytes = 64 * 1024;

/** Whether an answer of success can still turn out to be none; a sound's first byte is content, and goes out at once. */
export const mayFail = ({ status, contentType, contentEncoding }: ReceivedHead): boolean =>
  status < 300 &&
  (contentEncoding === undefined || contentEncoding === "identity") &&
  !contentType.startsWith("audio/") &&
  contentType !== "application/octet-stream";

export class Withholding extends Gathered {
  get isFull(): boolean {
    return this.length >= mostBytes;
  }
}

/**
 * To be told when another try begins: what the backend stated of the answer before it, which was judged, or broke off,
 * and is for nobody, stays with its attempt. The last one in the draft is the new one.
 */
export function leavesBehind(tap: Tap | undefined, draft: ExchangeDraft): void {
  const { tokens, model } = tap?.finish() ?? {};
  const attempt = draft.attempts.at(-2);
  if (tokens === undefined || attempt === undefined) return;
  attempt.tokens = tokens;
  if (model !== undefined) attempt.served = model;
}
