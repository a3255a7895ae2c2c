// Chooses the backend for a request: by the model's exact name, then by pattern, in the order of the config.
import type { Backend, Config } from "../config/config.ts";

/** A backend for this model; `undefined` when none serves it. Without a model, the default backend. */
export type Router = (model: string | undefined) => Backend | undefined;

/** No provider's model names are nearly as long; longer ones are noise. */
const longestName = 256;

/** Builds the router. Earlier backends win over later ones, and exact names over patterns. */
export function router({ backends, defaultBackend }: Pick<Config, "backends" | "defaultBackend">): Router {
  const exact = new Map<string, Backend>();
  const patterns: { readonly test: RegExp; readonly backend: Backend }[] = [];
  for (const backend of backends) {
    for (const model of backend.models) {
      if (model.includes("*")) patterns.push({ test: pattern(model), backend });
      else if (!exact.has(model)) exact.set(model, backend);
    }
  }
  const fallback = backends.find(({ name }) => name === defaultBackend) ?? backends[0];
  return (model) => {
    if (model === undefined) return fallback;
    if (model.length > longestName) return undefined;
    return exact.get(model) ?? patterns.find(({ test }) => test.test(model))?.backend;
  };
}

/** `gpt-*` and the like as a regular expression; everything but `*` is literal. */
function pattern(text: string): RegExp {
  const literal = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join(".*")}$`, "s");
}
