// What a request that is about to be sent may use, for whoever limits it.
import type { Ask } from "./admission/allowance/allowance.ts";
import { Estimate } from "./admission/allowance/estimate.ts";
import type { ForwardOptions, Sending } from "./sending.ts";

/** No backend makes so many at a time, and their price is still a number that can be counted in. */
const mostImages = 10_000;

/** Figures are found out only when they are asked for: a caller without limits pays nothing for them. */
export function estimateOf({ setting, fleet, identity, passage, taken }: Sending, options: ForwardOptions): Estimate {
  const { receiver, draft } = passage;
  const { operation } = receiver;
  const facts = taken.facts();
  return new Estimate({
    id: draft.opening.id,
    identity,
    operation,
    metered: receiver.metered,
    facts,
    json: taken.json,
    outputTokens: fleet.config.rateLimits.outputTokens,
    quote: (input, output) => {
      const { model = "", choices = 1 } = facts;
      // Of images, as many are made as are asked for.
      const media = operation === "image" ? { ...facts.media, images: Math.min(choices, mostImages) } : facts.media;
      const targets = fleet.routeFor(facts.model)?.targets ?? [];
      const asked = { operation, model, targets, input, output, media };
      return setting.quotes(asked, options.surroundings.clock.wall());
    },
  });
}

/** The same for an answer from the cache: a request, and nothing else. */
export function replayOf({ identity, passage, taken }: Sending): Ask {
  const { id } = passage.draft.opening;
  return { id, identity, model: taken.facts().model, estimatedTokens: 0, estimatedNanoUsd: 0 };
}
