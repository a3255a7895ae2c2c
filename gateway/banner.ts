// The five lines that greet whoever starts the gateway: what it serves, and what to try next.
import type { Config } from "./config/config.ts";

export interface BannerOptions {
  readonly config: Config;
  readonly url: string;
  readonly opsUrl: string;
  readonly version: string;
}

/** Five lines, without a line end after the last. Says whether a backend has a key, never which. */
export function banner({ config, url, opsUrl, version }: BannerOptions): string {
  const backends = config.backends.map(({ name, key, passClientKey, models }) => {
    const how =
      name === "demo" ? "built in" : key !== undefined ? "own key" : passClientKey ? "the client's key" : "no key";
    return `${name} (${models.slice(0, 3).join(", ")}${models.length > 3 ? ", …" : ""}; ${how})`;
  });
  const model = config.backends.flatMap(({ models }) => models).find((name) => !name.includes("*")) ?? "gpt-4o-mini";
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hello!" }] });
  const ops = config.metrics ? "/metrics /health /ready" : "/health /ready";
  return [
    `tollgate ${version} is ready: point any OpenAI client's base URL at ${url}/v1 (${config.file ?? "embedded defaults, no config file"})`,
    `  backends  ${backends.join(", ") || "none: set OPENAI_API_KEY, or write gateway/config.yaml"}`,
    `  ops       ${opsUrl} with ${ops}`,
    `  try       curl -N ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    `  then      curl -s ${opsUrl}/metrics | grep -E '^(gateway_requests|token_spend|gateway_cost)'`,
  ].join("\n");
}
