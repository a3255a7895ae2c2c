// Sends a request on: finds its route, and has the journey over it made.
import { learn } from "./passage.ts";
import { journey } from "./routing/journey.ts";
import { noRoute, type Sending } from "./sending.ts";

/** Resolves when an answer has gone out or the client is gone. Throws, or rejects with, GatewayError for our own answers. */
export function send(sending: Sending): Promise<void> {
  const { options, fleet, passage, taken } = sending;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const facts = taken.facts();
  learn(passage.draft, facts);
  const route = fleet.routeFor(facts.model);
  if (route === undefined) throw noRoute(facts.model, fleet);
  return journey(sending, route, facts);
}
