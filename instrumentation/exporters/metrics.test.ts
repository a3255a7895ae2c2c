import { expect, test } from "vitest";
import type { LabelsOf, MetricName } from "../catalogue.ts";
import type { Exchange, Labels } from "../exchange.ts";
import type { Outcome } from "../outcome.ts";
import { type Registry, registry } from "../registry.ts";
import { failedExchange, sampleAttempt, sampleExchange, sampleWithout } from "../testing/exchange.ts";
import { countedTroubles, metrics } from "./metrics.ts";

const labels: Labels = { model: "gpt-4o-mini", servedModel: "gpt-4o-mini-2024", key: "web", feature: "search" };

function measured(...exchanges: Exchange[]): Registry {
  const cells = registry();
  const exporter = metrics({ registry: cells, activeUserSeconds: 900, now: () => 0 });
  for (const exchange of exchanges) exporter.export({ labels, ...exchange });
  return cells;
}

/** Label sets of a metric with their value, or count and sum of a histogram. */
const read = (cells: Registry, name: MetricName) =>
  (cells.snapshot().find((family) => family.name === name)?.points ?? []).map((point) => [
    point.labels,
    ...("value" in point ? [point.value] : [point.count, point.sum]),
  ]);

const value = <N extends MetricName>(cells: Registry, name: N, wanted: Partial<LabelsOf<N>>): unknown =>
  read(cells, name).find(([set]) => Object.entries(wanted).every(([label, word]) => Object(set)[label] === word))?.[1];

const refused = (reason: "auth" | "invalid" | "upstream_rejected", status: number): Outcome => ({
  kind: "refused",
  status,
  reason,
  severity: "warning",
});

test("a completed exchange shows once in every family", () => {
  const cells = measured(sampleExchange());
  const served = { service: "gateway", method: "POST", route: "/v1/chat/completions", status_code: "200" };
  expect(read(cells, "http_requests_total")).toEqual([[served, 1]]);
  expect(read(cells, "http_request_duration_seconds")).toEqual([[served, 1, 0.412]]);
  expect(read(cells, "generation_success_total")).toEqual([
    [{ service: "gateway", type: "chat", model: "gpt-4o-mini" }, 1],
  ]);
  expect(read(cells, "generation_failure_total")).toEqual([]);
  expect(read(cells, "errors_total")).toEqual([]);
  expect(read(cells, "token_spend_total").map(([set, count]) => [Object(set).type, count])).toEqual([
    ["input", 1000],
    ["output", 200],
  ]);
  expect(read(cells, "gateway_requests_total")).toEqual([
    [
      {
        operation: "chat",
        model: "gpt-4o-mini",
        backend: "main",
        key: "web",
        outcome: "completed",
        reason: "ok",
        streamed: "true",
      },
      1,
    ],
  ]);
  expect(read(cells, "gateway_attempts_total")).toEqual([
    [{ backend: "main", model: "gpt-4o-mini", result: "completed", reason: "ok" }, 1],
  ]);
  expect(
    Object.fromEntries(read(cells, "gateway_token_details_total").map(([set, n]) => [Object(set).detail, n])),
  ).toEqual({ cached_input: 600, cache_write: 50, reasoning: 120 });
  expect(read(cells, "gateway_usage_total")).toEqual([
    [{ model: "gpt-4o-mini", backend: "main", source: "provider" }, 1],
  ]);
  expect(read(cells, "gateway_price_lookups_total")).toEqual([[{ model: "gpt-4o-mini", status: "exact" }, 1]]);
  expect(value(cells, "gateway_cache_requests_total", { operation: "chat", result: "bypass" })).toBe(1);
  expect(read(cells, "gateway_rejections_total")).toEqual([]);
  expect(read(cells, "gateway_feature_requests_total")).toEqual([[{ feature: "search", outcome: "completed" }, 1]]);
  expect(read(cells, "gateway_feature_cost_usd_total")).toEqual([[{ feature: "search" }, 0.000225001]]);
  expect(read(cells, "gateway_overhead_seconds")).toEqual([[{ operation: "chat" }, 1, 0.006]]);
  expect(value(cells, "active_users_total", { service: "gateway" })).toBe(1);
});

test("GenAI metrics are in the words of the conventions", () => {
  const cells = measured(sampleExchange());
  const model = {
    gen_ai_operation_name: "chat",
    gen_ai_provider_name: "openai",
    gen_ai_request_model: "gpt-4o-mini",
    gen_ai_response_model: "gpt-4o-mini-2024",
  };
  expect(read(cells, "gen_ai_client_operation_duration_seconds")).toEqual([[model, 1, 0.412]]);
  expect(read(cells, "gen_ai_client_token_usage")).toEqual([
    [{ ...model, gen_ai_token_type: "input" }, 1, 1000],
    [{ ...model, gen_ai_token_type: "output" }, 1, 200],
  ]);
  expect(read(cells, "gen_ai_server_time_to_first_token_seconds")).toEqual([[model, 1, 0.21]]);
  expect(read(cells, "gen_ai_server_time_per_output_token_seconds")).toEqual([[model, 1, (0.412 - 0.21) / 199]]);
});

test("a failure has the labels of a success, and its error", () => {
  const cells = measured(failedExchange());
  expect(read(cells, "generation_failure_total")).toEqual([
    [{ service: "gateway", type: "chat", model: "gpt-4o-mini", error_type: "unreachable" }, 1],
  ]);
  expect(read(cells, "generation_success_total")).toEqual([]);
  expect(read(cells, "errors_total")).toEqual([
    [{ service: "gateway", error_type: "unreachable", severity: "critical" }, 1],
  ]);
  expect(value(cells, "gateway_requests_total", { outcome: "failed", reason: "unreachable", backend: "main" })).toBe(1);
  expect(value(cells, "gen_ai_client_operation_duration_seconds", { error_type: "unreachable" })).toBe(1);
});

test("a failed stream has no time to first token, since the conventions want it of successful ones", () => {
  const cells = measured(failedExchange({ firstTokenSeconds: 0.1 }));
  expect(read(cells, "gen_ai_server_time_to_first_token_seconds")).toEqual([]);
});

test("refused and abandoned requests are no generations, neither good nor bad", () => {
  const cells = measured(
    sampleExchange({ outcome: refused("upstream_rejected", 400) }),
    sampleExchange({ outcome: { kind: "abandoned", status: 499 } }),
  );
  expect(read(cells, "generation_success_total")).toEqual([]);
  expect(read(cells, "generation_failure_total")).toEqual([]);
  expect(value(cells, "gateway_requests_total", { outcome: "abandoned", reason: "abandoned" })).toBe(1);
  expect(value(cells, "http_requests_total", { status_code: "499" })).toBe(1);
  expect(read(cells, "errors_total")).toEqual([
    [{ service: "gateway", error_type: "upstream_rejected", severity: "warning" }, 1],
  ]);
});

test("housekeeping is no generation and has no GenAI telemetry", () => {
  const cells = measured(sampleExchange({ operation: "files", endpoint: "/v1/files/{id}", method: "GET" }));
  expect(read(cells, "generation_success_total")).toEqual([]);
  expect(read(cells, "gen_ai_client_operation_duration_seconds")).toEqual([]);
  expect(value(cells, "http_requests_total", { route: "/v1/files/{id}", method: "GET" })).toBe(1);
});

test("a translation is a transcription to those who count generations", () => {
  const cells = measured(sampleExchange({ operation: "translation" }));
  expect(value(cells, "generation_success_total", { type: "transcription" })).toBe(1);
});

test("what we refuse is a rejection, what a backend refuses is not", () => {
  const ours = sampleExchange({ outcome: refused("auth", 401), attempts: [] });
  const theirs = { ...sampleAttempt, status: 401, result: "refused", reason: "auth" } as const;
  const cells = measured(
    ours,
    sampleExchange({ outcome: refused("auth", 401), attempts: [theirs] }),
    sampleExchange({ outcome: refused("upstream_rejected", 400), attempts: [{ ...theirs, status: 400 }] }),
  );
  expect(read(cells, "gateway_rejections_total")).toEqual([[{ reason: "auth", key: "web" }, 1]]);
  expect(value(cells, "gateway_requests_total", { backend: "gateway" })).toBe(1);
});

test("retries show as attempts and nowhere above", () => {
  const first = {
    ...sampleAttempt,
    backend: "spare",
    status: 500,
    result: "failed",
    reason: "upstream_status",
  } as const;
  const cells = measured(sampleExchange({ attempts: [first, sampleAttempt] }));
  expect(read(cells, "gateway_attempts_total")).toEqual([
    [{ backend: "spare", model: "gpt-4o-mini", result: "failed", reason: "upstream_status" }, 1],
    [{ backend: "main", model: "gpt-4o-mini", result: "completed", reason: "ok" }, 1],
  ]);
  expect(read(cells, "gateway_requests_total")).toHaveLength(1);
  expect(value(cells, "gen_ai_client_operation_duration_seconds", {})).toBe(1);
});

test("phases of all requests add up to their totals", () => {
  const exchanges = Array.from({ length: 500 }, (_, index) => {
    const part = (share: number) => ((index * share) % 13) / 8;
    const phases = {
      receive: part(3),
      queue: index % 3 === 0 ? part(5) : 0,
      backoff: 0,
      connect: part(7),
      firstByte: part(11),
      stream: part(4),
      overhead: part(2),
    };
    return sampleExchange({ phases, totalSeconds: Object.values(phases).reduce((sum, seconds) => sum + seconds, 0) });
  });
  const cells = measured(...exchanges);
  const phases = read(cells, "gateway_request_phase_seconds");
  const sum = phases.reduce((total, [, , seconds]) => total + Number(seconds), 0);
  expect(sum).toBe(read(cells, "http_request_duration_seconds")[0]?.[2]);
  expect(value(cells, "gateway_request_phase_seconds", { phase: "overhead" })).toBe(500);
  expect(value(cells, "gateway_request_phase_seconds", { phase: "backoff" })).toBeUndefined();
});

test("cost is right to the last digit after 10,000 odd sums", () => {
  const cells = registry();
  const exporter = metrics({ registry: cells, activeUserSeconds: 900, now: () => 0 });
  const exact = { input: 0n, output: 0n };
  for (let index = 0; index < 10_000; index++) {
    const input = (index * 104_729) % 1_299_709;
    const output = (index * 15_485_863) % 32_452_843;
    exact.input += BigInt(input);
    exact.output += BigInt(output);
    const cost = { status: "exact", nanoUsd: input + output, input, output, other: 0, price: "p" } as const;
    exporter.export(sampleExchange({ labels, cost }));
  }
  const usd = (nano: bigint) => Number(`${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, "0")}`);
  expect(value(cells, "gateway_cost_usd_total", { type: "input" })).toBe(usd(exact.input));
  expect(value(cells, "gateway_cost_usd_total", { type: "output" })).toBe(usd(exact.output));
  expect(value(cells, "gateway_feature_cost_usd_total", {})).toBe(usd(exact.input + exact.output));
  expect(value(cells, "gateway_cost_usd_total", { type: "other" })).toBeUndefined();
});

test("an unpriced model is a look-up without a price, not a cost of 0", () => {
  const cells = measured(sampleExchange({ cost: { status: "unpriced" } }));
  expect(read(cells, "gateway_cost_usd_total")).toEqual([]);
  expect(value(cells, "gateway_price_lookups_total", { status: "unpriced" })).toBe(1);
});

test("unknown token counts are no zeros", () => {
  const cells = measured(sampleWithout("tokens", "cost", "usageSource"));
  for (const name of ["token_spend_total", "gen_ai_client_token_usage", "gateway_usage_total"] as const) {
    expect(read(cells, name)).toEqual([]);
  }
});

test("without bounded labels nothing that a caller said is a label", () => {
  const cells = registry();
  metrics({ registry: cells, activeUserSeconds: 900, now: () => 0 }).export(sampleExchange());
  expect(JSON.stringify(cells.snapshot())).not.toMatch(/gpt-4o|"web"|search/);
});

test("a user is never a label", () => {
  expect(JSON.stringify(measured(sampleExchange()).snapshot())).not.toContain("ann");
});

test("users are told by what clients say, else by their key, and those that are refused do not count", () => {
  const from = (caller: Exchange["caller"], more: Partial<Exchange> = {}) => sampleExchange({ caller, ...more });
  const cells = measured(
    from({ auth: "key", keyId: "k1", user: "ann" }),
    from({ auth: "key", keyId: "k2", user: "ann" }),
    from({ auth: "key", keyId: "k1" }),
    from({ auth: "none" }),
    from({ auth: "none", user: "eve" }, { outcome: refused("invalid", 400) }),
  );
  expect(value(cells, "active_users_total", { service: "gateway" })).toBe(2);
});

test("requests that are no exchanges count too, whatever their method", () => {
  const cells = registry();
  const exporter = metrics({ registry: cells, activeUserSeconds: 900, now: () => 0 });
  exporter.httpServed({ method: "GET", route: "/health", status: 200, seconds: 0.001 });
  exporter.httpServed({ method: "GET", route: "/health", status: 200, seconds: 0.002 });
  exporter.httpServed({ method: "PROPFIND", route: "/health", status: 405, seconds: 0.001 });
  expect(read(cells, "http_requests_total")).toEqual([
    [{ service: "gateway", method: "GET", route: "/health", status_code: "200" }, 2],
    [{ service: "gateway", method: "other", route: "/health", status_code: "405" }, 1],
  ]);
});

test("what alerts and ratios read is there at 0 before anything happened", () => {
  const cells = registry();
  metrics({
    registry: cells,
    activeUserSeconds: 900,
    now: () => 0,
    known: {
      routes: [{ model: "demo", backend: "local" }],
      endpoints: [{ method: "POST", route: "/v1/chat/completions" }],
      errors: [
        { outcome: "failed", reason: "timeout", severity: "error" },
        { outcome: "refused", reason: "auth", severity: "warning" },
        { outcome: "refused", reason: "upstream_rejected", severity: "warning" },
      ],
    },
  });
  expect(value(cells, "generation_success_total", { model: "demo", type: "chat" })).toBe(0);
  expect(value(cells, "generation_failure_total", { model: "demo", error_type: "timeout" })).toBe(0);
  expect(value(cells, "errors_total", { error_type: "timeout", severity: "error" })).toBe(0);
  expect(value(cells, "errors_total", { error_type: "auth", severity: "warning" })).toBe(0);
  expect(read(cells, "gateway_rejections_total")).toEqual([[{ reason: "auth", key: "anonymous" }, 0]]);
  expect(value(cells, "http_requests_total", { status_code: "500" })).toBe(0);
  expect(value(cells, "gateway_requests_total", { outcome: "failed", reason: "timeout", streamed: "true" })).toBe(0);
  expect(value(cells, "gateway_attempts_total", { result: "failed", backend: "local" })).toBe(0);
  expect(value(cells, "gateway_price_lookups_total", { status: "unpriced" })).toBe(0);
  expect(value(cells, "token_spend_total", { type: "output" })).toBe(0);
  expect(value(cells, "gateway_config_reloads_total", { result: "failure" })).toBe(0);
  expect(value(cells, "gateway_label_overflow_total", { label: "model" })).toBe(0);
});

test("zeros of callers, keys and features are those that may come, and keep to a scrape's size", () => {
  const cells = registry();
  const exporter = metrics({ registry: cells, activeUserSeconds: 900, now: () => 0 });
  const names = Array.from({ length: 1_000 }, (_, index) => `n-${index}`);
  exporter.foretell({
    routes: names.map((model) => ({ model, backend: "main" })),
    backends: names,
    keys: names,
    anonymous: false,
    features: names,
    errors: [
      { outcome: "failed", reason: "timeout", severity: "error" },
      { outcome: "refused", reason: "auth", severity: "warning" },
    ],
  });
  const sets = (name: MetricName) => read(cells, name).length;
  expect(value(cells, "gateway_requests_total", { key: "n-0", model: "n-0", outcome: "failed" })).toBe(0);
  expect(value(cells, "gateway_requests_total", { key: "anonymous" })).toBeUndefined();
  expect(value(cells, "gateway_rejections_total", { key: "anonymous", reason: "auth" })).toBe(0);
  expect(sets("gateway_requests_total")).toBe(100 * 4);
  expect(sets("gateway_attempts_total")).toBe(100 * 2);
  expect(sets("gateway_rejections_total")).toBe(101);
  expect(sets("gateway_feature_requests_total")).toBe(100 * 4);
});

test("telemetry's own troubles are counted by stage", () => {
  const cells = registry();
  const heard: unknown[] = [];
  const troubles = countedTroubles(cells, ["spans"], (stage) => heard.push(stage));
  expect(value(cells, "gateway_exporter_errors_total", { exporter: "spans" })).toBe(0);
  troubles.exporterFailed("spans", new Error("away"));
  troubles.recordLost("spans", "buffer_full");
  expect(value(cells, "gateway_exporter_errors_total", { exporter: "spans" })).toBe(1);
  expect(value(cells, "gateway_events_lost_total", { exporter: "spans", reason: "buffer_full" })).toBe(1);
  expect(heard).toEqual(["spans"]);
});
