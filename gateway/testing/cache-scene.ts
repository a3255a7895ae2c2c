// A gateway with a response cache before one scripted backend, and what tests of the cache ask of it.
import type { CacheMode, CacheSettings } from "../config/config.ts";
import { noRetries } from "./routed-scene.ts";
import { type Scene, type SceneOptions, scene } from "./scene.ts";

export const cacheSettings: CacheSettings = {
  store: "memory",
  maxBytes: 1024 * 1024,
  maxEntryBytes: 64 * 1024,
  ttl: 60,
  acrossKeys: false,
  coalesce: false,
};

export interface CacheSceneOptions extends SceneOptions {
  readonly cache?: Partial<CacheSettings>;
  /** Of the route that takes every model. */
  readonly mode?: CacheMode;
}

/** The one route takes every model, and caches what is deterministic. */
export const cachedRoute = (mode: CacheMode = "deterministic") => ({
  model: "*",
  strategy: "priority" as const,
  targets: [{ backend: "fake", weight: 1, timeouts: {} }],
  retries: noRetries,
  cache: mode,
});

export const cacheScene = ({ cache, mode, config, ...rest }: CacheSceneOptions = {}): Promise<Scene> =>
  scene({ ...rest, config: { cache: { ...cacheSettings, ...cache }, routes: [cachedRoute(mode)], ...config } });
