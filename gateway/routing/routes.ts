// The routes of one configuration, tied to the backends that they lead to.
import type { RouteConfig } from "../config/config.ts";
import type { Upstream } from "../fleet.ts";
import type { Route, Target } from "./route.ts";
import { type RouteTableConfig, routeTable } from "./table.ts";

/** The route for this model; `undefined` where nobody serves it. Without a model, that of the default backend. */
export type Routes = (model: string | undefined) => Route | undefined;

export function routes(config: RouteTableConfig, upstreams: readonly Upstream[]): Routes {
  const find = routeTable(config);
  const byName = new Map(upstreams.map((upstream) => [upstream.backend.name, upstream]));
  const tied = new Map<RouteConfig, Route>();
  return (model) => {
    const found = find(model);
    if (found === undefined) return undefined;
    const known = tied.get(found);
    if (known !== undefined) return known;
    const route = tie(found, byName);
    tied.set(found, route);
    return route;
  };
}

function tie(
  { model, strategy, targets, retries, systemPrompt, cache = "off" }: RouteConfig,
  byName: ReadonlyMap<string, Upstream>,
): Route {
  const found = targets.flatMap(({ backend, model: sent, weight, timeouts }): Target[] => {
    const upstream = byName.get(backend);
    if (upstream === undefined) return [];
    return [{ upstream, model: sent, weight, timeouts: { ...upstream.backend.timeouts, ...timeouts } }];
  });
  return { name: model, strategy, targets: found, retries, systemPrompt, cache };
}
