// The backends that need no file: the built-in demo, and OpenAI and DeepSeek by their environment variables.
import type { PriceRule } from "../../instrumentation/index.ts";
import { backendSchema } from "./backend-schema.ts";
import type { Backend, Config, RouteConfig } from "./config.ts";

/** What is known of a provider, so that a file need not say it. */
export interface KnownProvider {
  readonly baseUrl: string;
  readonly models: readonly string[];
}

export const knownProviders: Readonly<Record<string, KnownProvider>> = {
  openai: {
    baseUrl: "https://api.openai.com/v1",
    models: [
      "gpt-*",
      "chatgpt-*",
      "o1*",
      "o3*",
      "o4*",
      "codex-*",
      "computer-use-*",
      "text-embedding-*",
      "text-moderation-*",
      "omni-moderation-*",
      "dall-e-*",
      "tts-*",
      "whisper-*",
      "sora-*",
      "davinci-*",
      "babbage-*",
      "ft:*",
    ],
  },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", models: ["deepseek-*"] },
};

/** What a backend is when nothing more is said of it. */
const { timeouts, maxConnections, queue, breaker, onClientAbort, propagateTrace } = backendSchema.parse({
  name: "default",
});

interface Upstream {
  readonly name: string;
  readonly provider: string;
  readonly baseUrl: string;
  readonly models: readonly string[];
  readonly key?: string;
  readonly passClientKey?: boolean;
}

/** A backend with everything else at its default. */
export function backend({ passClientKey = false, ...upstream }: Upstream): Backend {
  return {
    ...upstream,
    passClientKey,
    headers: {},
    propagateTrace,
    timeouts,
    maxConnections,
    queue,
    breaker,
    onClientAbort,
  };
}

/** The built-in demo backend; its address (with `/v1`) is known only once it listens. */
export const demoBackend = (baseUrl: string): Backend =>
  backend({ name: "demo", provider: "demo", baseUrl, models: ["demo", "demo-*"] });

/** An alias that OpenAI answers, and DeepSeek when OpenAI cannot: there as soon as both are set up by their variables. */
export const hybridRoute = (retries: Config["retries"]): RouteConfig => ({
  model: "hybrid",
  strategy: "priority",
  targets: [
    { backend: "openai", model: "gpt-4o-mini", weight: 1, timeouts: {} },
    { backend: "deepseek", model: "deepseek-chat", weight: 1, timeouts: {} },
  ],
  retries,
});

/** The configuration with the demo backend in it, once that listens; as it is where the demo is off. */
export const withDemo = (config: Config, baseUrl: string): Config =>
  // First: a catch-all pattern of another backend would take its models.
  config.demo ? { ...config, backends: [demoBackend(baseUrl), ...config.backends] } : config;

const demoPrice = (model: string, amounts: Omit<PriceRule, "model" | "backend" | "origin">): PriceRule => ({
  model,
  backend: "demo",
  ...amounts,
  origin: `demo: ${model}`,
});

/** Made-up prices like those of a small real model, so that a newcomer sees costs. */
export const demoPrices: readonly PriceRule[] = [
  demoPrice("demo-embedding*", { inputPerMillion: 0.02 }),
  demoPrice("demo-image*", { perImage: 0.04 }),
  demoPrice("demo-speech*", { perMillionCharacters: 15 }),
  demoPrice("demo-transcri*", { perAudioMinute: 0.006 }),
  demoPrice("demo-moderation*", { free: true }),
  demoPrice("demo-reasoning*", { inputPerMillion: 1.1, cachedInputPerMillion: 0.275, outputPerMillion: 4.4 }),
  demoPrice("demo*", { inputPerMillion: 0.15, cachedInputPerMillion: 0.075, outputPerMillion: 0.6 }),
];
