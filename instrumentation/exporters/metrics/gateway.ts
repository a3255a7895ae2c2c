// Feeds the gateway's own metrics: requests, phases, token details, cost, cache, rejections.
import { type Discarded, discarded } from "../../discarded.ts";
import type { Phases, Tokens } from "../../exchange.ts";
import type { Registry } from "../../registry.ts";
import { lazily, type Project, type Projection, type Sample } from "./sample.ts";

const phaseWords = {
  receive: "receive",
  queue: "queue",
  backoff: "backoff",
  connect: "connect",
  firstByte: "first_byte",
  stream: "stream",
  overhead: "overhead",
} as const satisfies Record<keyof Phases, string>;

const detailWords = {
  cachedInput: "cached_input",
  cachedAudioInput: "cached_audio_input",
  cacheWrite: "cache_write",
  reasoning: "reasoning",
  audioInput: "audio_input",
  audioOutput: "audio_output",
  imageInput: "image_input",
  imageOutput: "image_output",
} as const satisfies Record<Exclude<keyof Tokens, "input" | "output">, string>;

const keysOf = <T extends object>(words: T) => Object.keys(words) as (keyof T)[];

export const gateway: Projection = {
  group: (sample) => {
    const { exchange, labels, backend, reason } = sample;
    const { operation, outcome, cache, usageSource, cost, streamed } = exchange;
    const refusal = isOurRefusal(sample) ? "ours" : outcome.kind;
    return [
      operation,
      backend,
      refusal,
      reason,
      Number(streamed),
      cache,
      usageSource,
      cost?.status,
      labels.model,
      labels.key,
    ];
  },
  bind,
};

function bind(registry: Registry, sample: Sample): Project {
  const { exchange, labels, backend, reason } = sample;
  const { operation, outcome, cache, usageSource } = exchange;
  const { model, key } = labels;
  const streamed = String(exchange.streamed);

  const requests = registry.counter("gateway_requests_total", {
    operation,
    model,
    backend,
    key,
    outcome: outcome.kind,
    reason,
    streamed,
  });
  const cacheRequests = registry.counter("gateway_cache_requests_total", { operation, result: cache });
  const usage = usageSource && registry.counter("gateway_usage_total", { model, backend, source: usageSource });
  const rejections = isOurRefusal(sample) ? registry.counter("gateway_rejections_total", { reason, key }) : undefined;
  const overhead = registry.histogram("gateway_overhead_seconds", { operation });
  const phases = keysOf(phaseWords).map((phase) => ({
    phase,
    cell: lazily(() => registry.histogram("gateway_request_phase_seconds", { phase: phaseWords[phase], backend })),
  }));
  const details = keysOf(detailWords).map((part) => ({
    part,
    cell: lazily(() => registry.counter("gateway_token_details_total", { model, backend, detail: detailWords[part] })),
  }));
  const saved = lazily(() => registry.counter("gateway_cache_saved_usd_total", { model }));
  const addCost = cost(registry, sample);

  return (exchange) => {
    requests.add(1);
    cacheRequests.add(1);
    usage?.add(1);
    rejections?.add(1);
    overhead.observe(exchange.phases.overhead);
    // What did not happen adds nothing to the total and is left out; overhead stands for every request once.
    for (const { phase, cell } of phases) {
      const seconds = exchange.phases[phase];
      if (seconds > 0 || phase === "overhead") cell().observe(seconds);
    }
    const { tokens } = exchange;
    if (tokens) {
      for (const { part, cell } of details) {
        const count = tokens[part];
        if (count !== undefined && count > 0) cell().add(count);
      }
    }
    if (exchange.cacheSaved?.nanoUsd !== undefined) saved().add(exchange.cacheSaved.nanoUsd);
    addCost(exchange);
  };
}

/** True where the gateway refused, not a backend: neither what it rejected nor a client's own key it turned down. */
function isOurRefusal({ exchange: { outcome, attempts } }: Sample): boolean {
  return outcome.kind === "refused" && outcome.reason !== "upstream_rejected" && attempts.at(-1)?.result !== "refused";
}

function cost(registry: Registry, { exchange, labels, backend }: Sample): Project {
  const { model, key } = labels;
  const part = (type: string) =>
    lazily(() => registry.counter("gateway_cost_usd_total", { model, backend, key, service: "gateway", type }));
  const input = part("input");
  const output = part("output");
  const other = part("other");
  // Too seldom to keep cells at hand for it.
  const addLost = (at: string, lost: NonNullable<Discarded["cost"]>) => {
    const count = (type: "input" | "output" | "other") =>
      registry.counter("gateway_cost_usd_total", { model, backend: at, key, service: "gateway", type }).add(lost[type]);
    count("input");
    count("output");
    if (lost.other > 0) count("other");
  };
  const status = exchange.cost?.status;
  const lookups = status && registry.counter("gateway_price_lookups_total", { model, status });

  return (exchange) => {
    const { cost } = exchange;
    lookups?.add(1);
    for (const { attempt, cost: lost } of discarded(exchange)) if (lost) addLost(attempt.backend, lost);
    if (cost === undefined || cost.status === "unpriced") return;
    input().add(cost.input);
    output().add(cost.output);
    if (cost.other > 0) other().add(cost.other);
  };
}
