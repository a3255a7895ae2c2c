// Finds the route for a model: by exact name, then by pattern, the operator's routes before the backends' own lists.
import type { Config, RouteConfig } from "../config/config.ts";
import { pattern } from "../model-names.ts";

/** The route for this model; `undefined` where nobody serves it. Without a model, that of the default backend. */
export type RouteTable = (model: string | undefined) => RouteConfig | undefined;

/** No provider's model names are nearly as long; longer ones are noise. */
const longestName = 256;

export type RouteTableConfig = Pick<Config, "backends" | "defaultBackend" | "routes" | "retries">;

/** Within each sort, what stands earlier in the config wins. */
export function routeTable({ backends, defaultBackend, routes, retries }: RouteTableConfig): RouteTable {
  const exact = new Map<string, RouteConfig>();
  const patterns: { readonly test: RegExp; readonly route: RouteConfig }[] = [];
  const add = (name: string, route: RouteConfig) => {
    if (name.includes("*")) patterns.push({ test: pattern(name), route });
    else if (!exact.has(name)) exact.set(name, route);
  };
  for (const route of routes) add(route.model, route);
  const lone = new Map(
    backends.map(({ name }): [string, RouteConfig] => [
      name,
      { model: name, strategy: "priority", targets: [{ backend: name, weight: 1, timeouts: {} }], retries },
    ]),
  );
  for (const { name, models } of backends) {
    const route = lone.get(name);
    if (route) for (const model of models) add(model, route);
  }
  const fallback = lone.get(defaultBackend) ?? lone.values().next().value;
  return (model) => {
    if (model === undefined) return fallback;
    if (model.length > longestName) return undefined;
    return exact.get(model) ?? patterns.find(({ test }) => test.test(model))?.route;
  };
}
