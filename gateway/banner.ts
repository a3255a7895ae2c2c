// The five lines that greet whoever starts the gateway: what it serves, and what to try next.
import type { Backend, Config } from "./config/config.ts";
import { routeTable } from "./routing/table.ts";

export interface BannerOptions {
  readonly config: Config;
  /** Callers have to say who they are. */
  readonly needsKey?: boolean;
  readonly url: string;
  readonly opsUrl: string;
  readonly version: string;
}

/** Five lines, without a line end after the last. Says whether a backend has a key, never which. */
export function banner({ config, needsKey = false, url, opsUrl, version }: BannerOptions): string {
  const backends = config.backends.map(({ name, key, passClientKey, models }) => {
    const how =
      name === "demo" ? "built in" : key !== undefined ? "own key" : passClientKey ? "the client's key" : "no key";
    return `${name} (${models.slice(0, 3).join(", ")}${models.length > 3 ? ", …" : ""}; ${how})`;
  });
  const { metrics, file } = config;
  const everywhere = near(url) === url ? "" : ", on every address of this machine";
  return [
    `tollgate ${version} is ready: point any OpenAI client's base URL at ${near(url)}/v1${everywhere} (${file ?? "embedded defaults, no config file"})`,
    `  backends  ${backends.join(", ") || "none: set OPENAI_API_KEY, or write gateway/config.yaml"}`,
    `  ops       ${near(opsUrl)} with ${metrics ? "/metrics /health /ready" : "/health /ready"}`,
    `  try       ${request(config, near(url), needsKey)}`,
    `  then      ${look(config, near(opsUrl))}`,
  ].join("\n");
}

/** An address to call for a listener on every address: neither every client nor the doors take 0.0.0.0 for this machine. */
const near = (url: string) => url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");

/** Names of models that do not chat. */
const otherKinds = /embed|rerank|image|dall-e|tts|speech|whisper|transcri|moderation/i;

/** A request that will be answered: a chat where a model for it is known by name, else the list of models. */
function request(config: Config, url: string, needsKey: boolean): string {
  const find = routeTable(config);
  const choose = (model: string | undefined) => {
    const first = find(model)?.targets[0]?.backend;
    return config.backends.find(({ name }) => name === first);
  };
  const named = config.backends.flatMap(({ models }) => models).filter((name) => !name.includes("*"));
  const usual = [
    ["openai", "gpt-4o-mini"],
    ["deepseek", "deepseek-chat"],
  ] as const;
  const model =
    named.find((name) => !otherKinds.test(name)) ??
    usual.find(([provider, name]) => choose(name)?.provider === provider)?.[1];
  const backend = choose(model);
  const credential = needsKey ? bearer("TOLLGATE_KEY") : keyOf(backend);
  if (model === undefined) return `curl -s ${url}/v1/models${credential}`;
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hello!" }] });
  const quoted = `'${body.replaceAll("'", "'\\''")}'`;
  return `curl -N ${url}/v1/chat/completions${credential} -H 'content-type: application/json' -d ${quoted}`;
}

/** The client's key, where the backend is to get that one. */
const keyOf = (backend: Backend | undefined): string =>
  backend?.passClientKey ? bearer(`${backend.provider.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_API_KEY`) : "";

const bearer = (variable: string) => ` -H "authorization: Bearer $${variable}"`;

/** What that request left behind. */
function look({ metrics, metricsToken, adminToken }: Config, opsUrl: string): string {
  if (!metrics) return `curl -s ${opsUrl}/ready`;
  const wanted = metricsToken === undefined ? adminToken && "TOLLGATE_ADMIN_TOKEN" : "TOLLGATE_METRICS_TOKEN";
  // Most series exist at 0 from the start: those that say something are shown.
  return `curl -s ${opsUrl}/metrics${wanted ? bearer(wanted) : ""} | grep -E '^(gateway_requests|token_spend|gateway_cost).* (0\\.|[1-9])'`;
}
