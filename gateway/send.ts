// Sends a request on: finds its route, has the journey over it made, and relays what was kept back on the way.
import { outcomeOf } from "./errors.ts";
import { ownHeaders } from "./outgoing.ts";
import { learn } from "./passage.ts";
import { reply } from "./reply.ts";
import { errorText } from "./routing/held.ts";
import { journey } from "./routing/journey.ts";
import { noRoute, type Sending } from "./sending.ts";
import { failureOfStatus } from "./verdict.ts";

/** Resolves when an answer has gone out or the client is gone. Throws GatewayError for our own answers. */
export async function send(sending: Sending): Promise<void> {
  const { options, fleet, passage, taken, corsHeaders } = sending;
  passage.draft.enter("overhead", options.surroundings.clock.now());
  const facts = taken.facts();
  learn(passage.draft, facts);
  const route = fleet.routeFor(facts.model);
  if (route === undefined) throw noRoute(facts.model, fleet);
  const held = await journey(sending, route, facts);
  if (held === undefined) return;
  const { status, statusText, crossing } = held.head;
  passage.draft.responseBytes += held.body.length;
  passage.closesWith(outcomeOf(failureOfStatus(status, true) ?? "upstream_rejected", errorText(held), status));
  reply(passage.res, status, held.body, [...crossing, ...ownHeaders(passage), ...corsHeaders], statusText);
}
