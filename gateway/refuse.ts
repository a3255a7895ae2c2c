// Ends a request that no backend answers: the client is told why, as far as it may know, and the record is told all.
import { ClientLeft, GatewayError, outcomeOf } from "./errors.ts";
import { ownHeaders } from "./outgoing.ts";
import type { Passage } from "./passage.ts";
import { replyError } from "./reply.ts";
import { Failed } from "./sending.ts";

/** Ends a request that gets an answer of our own. */
export function refuse(passage: Passage, error: unknown, corsHeaders: readonly string[]): void {
  if (error instanceof ClientLeft || passage.left) {
    passage.res.destroy();
    return;
  }
  // Cut off meanwhile, and told so.
  if (passage.res.writableEnded) return;
  const known = error instanceof GatewayError ? error : undefined;
  const kind = known?.kind ?? "internal";
  passage.close(outcomeOf(kind, detailOf(error)));
  const bytes = replyError(passage.res, {
    kind,
    ...(known && !(error instanceof Failed) && { message: known.message }),
    ...(known?.param !== undefined && { param: known.param }),
    ...(known?.retryAfter !== undefined && { retryAfter: known.retryAfter }),
    headers: [...ownHeaders(passage), ...(known?.headers ?? []), ...corsHeaders],
  });
  if (bytes === undefined) passage.res.destroy();
  else passage.draft.responseBytes = bytes;
}

/** What the record says of a failure; more than the client is told. */
function detailOf(error: unknown): string {
  if (error instanceof Failed) return error.detail;
  if (error instanceof GatewayError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
