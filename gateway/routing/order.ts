// Puts a route's targets in the order in which a request tries them.
import type { Route, Target } from "./route.ts";

/** What is known of the targets at this moment. */
export interface Standing {
  /** Requests on their way or waiting there, as a share of what it takes. */
  busy(target: Target): number;
  /** Seconds to its first token lately; `undefined` where nothing is known. */
  latency(target: Target): number | undefined;
  /** USD for a typical request for this model; `undefined` where no price is known. */
  price(target: Target, model: string | undefined): number | undefined;
  random(): number;
}

/**
 * All targets, the first choice first, for a request for `model`. `priority` is the order of the config, and decides between equals everywhere.
 * Under `lowest_latency` a target that nothing is known of goes first, for how else should anything become known;
 * under `cheapest` one without a price goes last.
 */
export function ordered(
  { strategy, targets }: Route,
  standing: Standing,
  model: string | undefined,
): readonly Target[] {
  if (targets.length < 2) return targets;
  switch (strategy) {
    case "priority":
      return targets;
    case "weighted":
      return drawn(targets, standing.random);
    case "least_busy":
      return sorted(targets, (target) => standing.busy(target));
    case "lowest_latency":
      return sorted(targets, (target) => standing.latency(target) ?? 0);
    case "cheapest":
      return sorted(targets, (target) => standing.price(target, model) ?? Number.POSITIVE_INFINITY);
  }
}

/** Stable, so that the config's order decides between equals. */
function sorted(targets: readonly Target[], figure: (target: Target) => number): readonly Target[] {
  return targets
    .map((target) => ({ target, figure: figure(target) }))
    .sort((a, b) => (a.figure === b.figure ? 0 : a.figure - b.figure))
    .map(({ target }) => target);
}

/** Drawn one after another, each by its share of the weight that is left. A weight of 0 is drawn last. */
function drawn(targets: readonly Target[], random: () => number): readonly Target[] {
  const left = [...targets];
  const order: Target[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0);
    let point = random() * total;
    let at = left.findIndex(({ weight }) => {
      point -= weight;
      return point < 0;
    });
    if (at < 0) at = 0;
    order.push(...left.splice(at, 1));
  }
  return order;
}
