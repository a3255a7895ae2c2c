// A route: which backends may answer for a model, in what order, and what is done when one of them fails.
import type { Identity } from "../admission/identity.ts";
import type { CacheMode, RetrySettings, RouteConfig, Timeouts } from "../config/config.ts";
import type { Upstream } from "../fleet.ts";
import type { SystemPrompt } from "../rewrite/system-prompt.ts";

/** How the target that is asked first is chosen; the others are its fallbacks, best first. */
type Strategy = RouteConfig["strategy"];

/** One place where a model is served. */
export interface Target {
  readonly upstream: Upstream;
  /** The model's name there; `undefined`: as the client wrote it. */
  readonly model: string | undefined;
  /** Share of requests under `weighted`. */
  readonly weight: number;
  readonly timeouts: Timeouts;
}

export interface Route {
  /** The name in the config: a model, an alias, or a pattern. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly targets: readonly Target[];
  readonly retries: RetrySettings;
  readonly systemPrompt: SystemPrompt | undefined;
  /** `off` when absent. */
  readonly cache?: CacheMode;
}

const none: readonly SystemPrompt[] = [];

/** The prompts that go into a request, the key's first, so that the route has the last word. */
export function promptsOf({ systemPrompt }: Route, { key }: Identity): readonly SystemPrompt[] {
  if (systemPrompt === undefined && key?.systemPrompt === undefined) return none;
  return [key?.systemPrompt, systemPrompt].filter((prompt) => prompt !== undefined);
}
