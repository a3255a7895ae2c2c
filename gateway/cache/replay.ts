// Answers a request with what the cache holds: at once, a stream as the stream that it was.
import { ownHeaders } from "../outgoing.ts";
import { reply } from "../reply.ts";
import type { Sending } from "../sending.ts";
import type { Entry } from "./entry.ts";

/** The answer carries what is this request's own (id, limits), and how old it is in seconds (RFC 9111 §5.1). */
export function replay({ options, passage, corsHeaders }: Sending, entry: Entry): void {
  const { clock } = options.surroundings;
  const { draft, res } = passage;
  const { body, ends, finish, storedAt } = entry;
  draft.enter("overhead", clock.now());
  draft.cache = "hit";
  draft.responseBytes = body.length;
  passage.replayed = entry;
  passage.closesWith({ kind: "completed", status: 200, finish });
  const age = Math.max(0, Math.floor((clock.wall() - storedAt) / 1000));
  const headers = [
    ...entry.headers,
    "x-tollgate-cache",
    "hit",
    "age",
    String(age),
    ...ownHeaders(passage),
    ...corsHeaders,
  ];
  if (ends.length === 0) {
    reply(res, 200, body, headers);
    return;
  }
  res.writeHead(200, headers);
  let start = 0;
  for (const end of ends) {
    res.write(body.subarray(start, end));
    start = end;
  }
  res.end();
}
