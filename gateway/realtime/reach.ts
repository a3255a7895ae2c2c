// Finds the target that takes a session: each that the breaker admits in turn, once, with a slot of its queue.
import type { IncomingMessage } from "node:http";
import type { ExchangeDraft } from "../../instrumentation/index.ts";
import { type Identity, tenantOf } from "../admission/identity.ts";
import { GatewayError } from "../errors.ts";
import type { Fleet } from "../fleet.ts";
import type { LearningGate } from "../routing/gate.ts";
import { Itinerary } from "../routing/itinerary.ts";
import type { Slot } from "../routing/queue.ts";
import { mayRepeat } from "../routing/repeat.ts";
import type { Route, Target } from "../routing/route.ts";
import type { ForwardOptions } from "../sending.ts";
import type { Target as Place } from "../target.ts";
import { type Dialled, dial } from "./dial.ts";
import { endAttempt, outcomeOfFailure } from "./ending.ts";

export interface Reach {
  readonly req: IncomingMessage;
  readonly place: Place;
  readonly route: Route;
  readonly fleet: Fleet;
  readonly draft: ExchangeDraft;
  readonly options: ForwardOptions;
  readonly identity: Identity;
  readonly withTokens: boolean;
  /** Gives up; its reason is what `reach` rejects with. */
  readonly signal: AbortSignal;
}

export interface Reached {
  readonly target: Target;
  readonly dialled: Dialled;
  /** To be given back when the session is over. */
  readonly slot: Slot;
}

/** Rejects with a GatewayError, or with the signal's reason; then no slot is held. */
export async function reach({ route, fleet, ...asked }: Reach): Promise<Reached> {
  const { draft, options, signal } = asked;
  const { now } = options.surroundings.clock;
  const { gate, breaker } = fleet;
  const itinerary = new Itinerary(route, fleet.standing, gate, now, draft.requestedModel);
  let last: GatewayError | undefined;
  for (let target = itinerary.next(); target !== undefined; target = itinerary.next()) {
    let slot: Slot | undefined;
    const attempts = draft.attempts.length;
    try {
      slot = await slotAt(target, gate, asked);
      if (slot === undefined) {
        last = gate.noneUp([target]);
        continue;
      }
      const dialled = await dial({ ...asked, target });
      // At once: a session that lasts is no trial that lasts.
      breaker.observe(target.upstream.backend.name, true);
      return { target, dialled, slot };
    } catch (error) {
      slot?.release();
      if (draft.attempts.length === attempts) gate.forgo(target);
      else endAttempt(draft, fleet, outcomeOfFailure(error), now());
      if (signal.aborted || !(error instanceof GatewayError) || !mayRepeat("always", error.kind, true)) throw error;
      last = error;
    }
  }
  throw last ?? gate.noneUp(route.targets);
}

/** Waits for its turn at the backend; `undefined` where its breaker opened meanwhile. */
async function slotAt(
  target: Target,
  gate: LearningGate,
  { identity, draft, options, signal }: Pick<Reach, "identity" | "draft" | "options" | "signal">,
): Promise<Slot | undefined> {
  const { now } = options.surroundings.clock;
  const place = target.upstream.queue.enter({
    tenant: tenantOf(identity),
    priority: identity.priority,
    operation: "realtime",
    lasting: true,
  });
  if (!place.isWaiting) return place;
  const isTrial = gate.isTrial(target);
  draft.enter("queue", now());
  const leave = () => place.leave(signal.reason);
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  try {
    const slot = await place.slot;
    // It may have left in the very moment in which its turn came.
    const isGone = signal.aborted;
    if (!isGone && gate.stillAdmits(target, isTrial)) return slot;
    slot.release();
    if (isGone) throw signal.reason;
    return undefined;
  } finally {
    signal.removeEventListener("abort", leave);
    draft.enter("overhead", now());
  }
}
