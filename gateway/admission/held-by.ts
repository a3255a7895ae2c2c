// Sends what belongs to things that are kept at one backend there, and nowhere else.
import { GatewayError } from "../errors.ts";
import type { Fleet } from "../fleet.ts";

/** The fleet as a request sees it whose things are at one backend: every route leads there. */
export function heldBy(fleet: Fleet, backend: string): Fleet {
  const upstream = fleet.upstreams.find((one) => one.backend.name === backend);
  // It is no more in the configuration, and with it what it holds.
  if (upstream === undefined) throw new GatewayError("unknown_id");
  const { timeouts } = upstream.backend;
  const lone = { upstream, model: undefined, weight: 1, timeouts };
  const routeFor: Fleet["routeFor"] = (model) => {
    const usual = fleet.routeFor(model);
    if (usual === undefined) return undefined;
    const there = usual.targets.filter((one) => one.upstream === upstream);
    return { ...usual, targets: there.length > 0 ? there : [lone] };
  };
  return { ...fleet, routeFor, route: () => upstream };
}
