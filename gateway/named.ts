// What a configuration names: the labels that keep their own place, and the counters that exist before a request comes.
import type { Known } from "../instrumentation/index.ts";
import type { Config } from "./config/config.ts";
import { failures } from "./errors.ts";
import { receivers } from "./receivers/index.ts";

/** A name, and no pattern of names. */
const isExact = (model: string): boolean => !model.includes("*");

export interface Named extends Required<Known> {
  readonly models: readonly string[];
}

/** The one place that says so, at the start and after each reload. */
export function named({ routes, backends, keys, allowAnonymous, labels }: Config): Named {
  return {
    models: [...routes.map(({ model }) => model), ...backends.flatMap(({ models }) => models)].filter(isExact),
    routes: [
      ...routes
        .filter(({ model }) => isExact(model))
        .flatMap(({ model, targets }) => targets.map(({ backend }) => ({ model, backend }))),
      ...backends.flatMap(({ name, models }) => models.filter(isExact).map((model) => ({ model, backend: name }))),
    ],
    backends: backends.map(({ name }) => name),
    keys: keys.map(({ key }) => key.label),
    anonymous: allowAnonymous || keys.length === 0,
    features: labels.features,
    endpoints: receivers
      .filter(({ metered }) => metered)
      .flatMap(({ methods, path }) => methods.slice(0, 1).map((method) => ({ method, route: path }))),
    errors: Object.values(failures),
  };
}
