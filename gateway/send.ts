// Sends a request on: chooses the backend, tries, tries again where that is safe, and says how it ended.
import type { Ending, HeldAnswer } from "./attempt.ts";
import { failures, outcomeOf } from "./errors.ts";
import { ownHeaders } from "./outgoing.ts";
import { learn } from "./passage.ts";
import { tryOnce } from "./relay.ts";
import { reply } from "./reply.ts";
import { Failed, noRoute, type Sending } from "./sending.ts";
import { failureOfStatus } from "./verdict.ts";

/** What speaks of the backend itself, and not of one request or one answer of it. */
export const downReasons: ReadonlySet<string> = new Set(["unreachable", "timeout", "upstream_status", "upstream_auth"]);

/** Routes, and tries until an answer has gone out or the failure is final. Throws GatewayError for our own answers. */
export async function send(sending: Sending): Promise<void> {
  const { options, fleet, passage, taken } = sending;
  const { draft } = passage;
  draft.enter("overhead", options.surroundings.clock.now());
  const facts = taken.facts();
  learn(draft, facts);
  const upstream = fleet.route(facts.model);
  if (upstream === undefined) throw noRoute(facts.model, fleet);

  let withUsage =
    facts.streamed && facts.asksForUsage === false && upstream.takesStreamOptions && taken.json !== undefined;
  let fresh = false;
  for (;;) {
    const { ending, answer } = await tryOnce(sending, upstream, { withUsage, fresh });
    const attempt = draft.attempts.at(-1);
    const again =
      ending.kind === "failed" &&
      ending.stale &&
      !fresh &&
      !passage.left &&
      (taken.body === null || Buffer.isBuffer(taken.body));
    if (!again && attempt?.result !== "abandoned" && speaksOfBackend(ending)) {
      fleet.availability.observe(upstream.backend.name, !(attempt?.reason && downReasons.has(attempt.reason)));
    }
    if (ending.kind === "answered" || ending.kind === "cancelled") return;
    if (again) {
      fresh = true;
      draft.enter("overhead", options.surroundings.clock.now());
      continue;
    }
    if (ending.kind === "failed") {
      if (answer?.began) {
        passage.close(outcomeOf(ending.failure, ending.detail, attempt?.status));
        answer.cut();
        return;
      }
      answer?.deafen();
      throw new Failed(ending.failure, ending.detail);
    }
    if (withUsage && rejectsStreamOptions(ending.answer)) {
      upstream.takesStreamOptions = false;
      if (draft.closed) return;
      withUsage = false;
      draft.enter("overhead", options.surroundings.clock.now());
      continue;
    }
    relay(sending, ending.answer);
    return;
  }
}

/** A body that we cut off for its size or slowness, or a request that we could not make, is not the backend's doing. */
const speaksOfBackend = (ending: Ending): boolean =>
  ending.kind !== "failed" || (failures[ending.failure].outcome === "failed" && ending.failure !== "internal");

/** A kept-back answer: our own error where it speaks of our key, the backend's own words otherwise. */
function relay({ passage, corsHeaders }: Sending, held: HeldAnswer): void {
  const { status, statusText, crossing } = held.head;
  const kind = failureOfStatus(status, true);
  if (kind === "backend_auth") throw new Failed(kind, errorText(held.body) ?? `The backend answered ${status}.`);
  passage.draft.responseBytes += held.body.length;
  passage.closesWith(outcomeOf(kind ?? "upstream_rejected", errorText(held.body), status));
  reply(passage.res, status, held.body, [...crossing, ...ownHeaders(passage), ...corsHeaders], statusText);
}

const rejectsStreamOptions = ({ body }: HeldAnswer): boolean =>
  /stream_options|include_usage/.test(body.toString("utf8"));

/** The message of an OpenAI-shaped error body. */
function errorText(body: Buffer): string | undefined {
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
