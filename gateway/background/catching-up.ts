// A request whose answer states what a response has used: of one that was made in the background it is counted now, once.
import type { RequestFacts } from "../receivers/receiver.ts";
import type { Sending } from "../sending.ts";
import { SpentTap } from "../tap.ts";
import type { Entry } from "./unfinished.ts";

/** To be awaited between such an answer's end and its record. Never rejects. */
export async function catchUp(sending: Sending): Promise<void> {
  const { passage, options, path, reserved } = sending;
  const { tap, draft } = passage;
  const attempt = draft.attempts.at(-1);
  // Of an error, the record tells as of any.
  if (tap === undefined || attempt === undefined || (attempt.status ?? 0) >= 400) return;
  passage.tap = undefined;
  await new Promise<void>((resolve) => tap.decoded(resolve));
  const facts = tap.finish();
  if (facts?.tokens === undefined) return;
  const id = idIn(path);
  // The client has its answer, and may ask again before it is known whose usage this was.
  reserved?.free();
  const entry = await options.unfinished.claim(attempt.backend, id);
  if (entry === undefined) return;
  passage.tap = new SpentTap(facts);
  passage.caughtUp = id;
  passage.facts = factsOf(entry);
  // Prices go by the name that was sent, too.
  if (entry.sent !== undefined) attempt.model = entry.sent;
  if (entry.provision !== undefined) options.allowance?.expect(passage.id, entry.provision);
}

function factsOf({ model }: Entry): () => RequestFacts {
  const facts: RequestFacts = model === undefined ? { streamed: false } : { streamed: false, model };
  return () => facts;
}

/** As the receivers read a path: `/v1/responses/resp_1/cancel` → `resp_1`. */
function idIn(path: string): string {
  const [, , id = ""] = path.split("/").filter((word) => word !== "");
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
