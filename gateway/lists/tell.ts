// Answers with JSON that the gateway has put together itself.
import { ownHeaders } from "../outgoing.ts";
import { reply } from "../reply.ts";
import type { Sending } from "../sending.ts";

export function tell({ passage, corsHeaders }: Sending, value: object): void {
  const body = Buffer.from(JSON.stringify(value));
  passage.draft.responseBytes = body.length;
  passage.closesWith({ kind: "completed", status: 200, finish: "ok" });
  reply(passage.res, 200, body, ["content-type", "application/json", ...ownHeaders(passage), ...corsHeaders]);
}
