import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { backendAt, testConfig } from "./testing/harness.ts";
import { counts, plan, sum, tally } from "./testing/ledger.ts";
import { type Measured, measuredGateway } from "./testing/measured.ts";
import { type MetricSample, metricSamples, sumsBy } from "./testing/metrics-text.ts";
import { endings, modelOf, plannedBackend, type Seen, sendPlanned } from "./testing/mixed-traffic.ts";
import { rawRequest } from "./testing/raw-client.ts";

const clients = 48;

/** nano-USD per token: fresh input, cached input, output. */
const prices = { alpha: [150, 75, 600], beta: [2_500, 1_250, 10_000] } as const;

describe("the client, /metrics, the spans and the log agree on 2,000 mixed requests", () => {
  const plans = plan();
  let backend: FakeBackend;
  let gateway: Measured;
  let seen: readonly Seen[] = [];
  let metrics: readonly MetricSample[] = [];
  let lines: readonly Readonly<Record<string, unknown>>[] = [];

  beforeAll(async () => {
    const arrivals = plans.map(() => Promise.withResolvers<void>());
    backend = await fakeBackend({ otherwise: plannedBackend(plans, ({ index }) => arrivals[index]?.resolve()) });
    const rule = (model: keyof typeof prices) => ({
      model,
      inputPerMillion: prices[model][0] / 1000,
      cachedInputPerMillion: prices[model][1] / 1000,
      outputPerMillion: prices[model][2] / 1000,
      origin: `config: ${model}`,
    });
    const config = testConfig();
    gateway = await measuredGateway({
      ...config,
      limits: { ...config.limits, jsonBytes: 30_000 },
      traces: { ...config.traces, sampleRatio: 1, maxPerSecond: 1_000_000 },
      log: { level: "info", format: "json" },
      prices: [
        rule("alpha"),
        rule("beta"),
        { model: "vague", inputPerMillion: 0.0333, outputPerMillion: 0.777, origin: "config: vague" },
      ],
      backends: [
        backendAt(backend.origin, {
          models: ["alpha", "beta", "vague"],
          timeouts: { connect: 20, firstByte: 3, idle: 20, total: 0 },
          onClientAbort: "cancel",
          // On a busy machine the silent ones run out of time together, and would open it.
          breaker: { failures: 0, ratio: 0, minRequests: 1, window: 1, openFor: 1, halfOpen: 1 },
        }),
      ],
    });
    const queue = [...plans];
    const worker = async () => {
      const own: Seen[] = [];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        own.push(await sendPlanned(gateway.url, next, arrivals[next.index]?.promise ?? Promise.resolve()));
      }
      return own;
    };
    seen = (await Promise.all(Array.from({ length: clients }, worker))).flat();
    const scrape = async () => metricSamples((await rawRequest(`${gateway.opsUrl}/metrics`, { method: "GET" })).text);
    await vi.waitFor(
      async () => {
        metrics = await scrape();
        if (sum(Object.values(counted("gateway_requests_total", []))) < plans.length)
          throw new Error("some are still open");
      },
      { timeout: 20_000 },
    );
    await gateway.close();
    lines = gateway.lines().filter((line) => "operation" in line);
  }, 120_000);

  afterAll(() => backend.close());

  const counted = (name: string, by: readonly string[], only?: Readonly<Record<string, string>>) =>
    sumsBy(metrics, name, by, only);
  const servers = () => gateway.spans.filter(({ kind }) => kind === "server");
  const attempts = () => gateway.spans.filter(({ kind }) => kind === "client");

  test("every request ended as it was meant to", () => {
    expect(seen).toHaveLength(2_000);
    expect(seen.filter(({ plan: { kind }, ending }) => ending !== endings[kind])).toEqual([]);
  });

  test("per outcome", () => {
    const client = tally(seen.map(({ ending }) => ending));
    const label = (value: unknown, kind: unknown) => value ?? (kind === "completed" ? "ok" : "abandoned");
    expect(tally(lines.map(({ outcome, reason, status }) => `${outcome} ${label(reason, outcome)} ${status}`))).toEqual(
      client,
    );
    expect(
      tally(
        servers().map(
          ({
            attributes: { "tollgate.outcome": kind, "tollgate.reason": reason, "http.response.status_code": status },
          }) => `${kind} ${label(reason, kind)} ${status}`,
        ),
      ),
    ).toEqual(client);
    const byReason = tally(seen.map(({ ending }) => ending.split(" ").slice(0, 2).join(" ")));
    expect(counted("gateway_requests_total", ["outcome", "reason"])).toEqual(byReason);
    const byStatus = tally(seen.map(({ ending }) => ending.split(" ")[2] ?? ""));
    expect(counted("http_requests_total", ["status_code"], { service: "gateway" })).toMatchObject(byStatus);
  });

  test("per request: the client's id leads to one line and one trace that say the same", () => {
    const lineOf = new Map(lines.map((line) => [line.id, line]));
    const spanOf = new Map(servers().map((span) => [span.attributes["tollgate.exchange.id"], span]));
    expect([lineOf.size, spanOf.size, lines.length, servers().length]).toEqual([2_000, 2_000, 2_000, 2_000]);
    const known = seen.filter(({ id }) => id !== undefined);
    expect(known).toHaveLength(2_000 - counts.leftEarly);
    for (const { id, ending, plan: one, bytes } of known) {
      const line = lineOf.get(id);
      const span = spanOf.get(id);
      const model =
        one.kind === "malformed" || one.kind === "file" || one.kind === "tooLarge" ? undefined : modelOf(one);
      expect([one.kind, `${line?.outcome}`, line?.model, line?.response_bytes]).toEqual([
        one.kind,
        ending.split(" ")[0],
        model,
        one.kind === "leftMidway" ? line?.response_bytes : bytes,
      ]);
      expect([span?.traceId, span?.attributes["tollgate.outcome"]]).toEqual([line?.trace_id, line?.outcome]);
    }
  });

  test("attempts are what the backend received", () => {
    expect(sum(Object.values(counted("gateway_attempts_total", [])))).toBe(backend.received.length);
    expect(attempts()).toHaveLength(backend.received.length);
    expect(sum(lines.map(({ attempts: tries }) => tries))).toBe(backend.received.length);
    const results = tally(attempts().map(({ attributes }) => String(attributes["tollgate.attempt.result"])));
    expect(counted("gateway_attempts_total", ["result"])).toEqual(results);
  });

  const metered = (model: keyof typeof prices) =>
    seen
      .filter(({ plan: one, ending }) => ending === "completed ok 200" && one.kind !== "file" && modelOf(one) === model)
      .map(({ plan: { usage } }) => usage);

  test.each(["alpha", "beta"] as const)("tokens and cost of %s, to the last digit", (model) => {
    const usages = metered(model);
    const [fresh, cachedPrice, outputPrice] = prices[model];
    const input = sum(usages.map((usage) => usage.input));
    const output = sum(usages.map((usage) => usage.output));
    const cached = sum(usages.map((usage) => usage.cached));
    const nano = { input: (input - cached) * fresh + cached * cachedPrice, output: output * outputPrice };
    expect(usages.length).toBeGreaterThan(300);

    expect(counted("token_spend_total", ["type"], { model })).toEqual({ input, output });
    expect(counted("gateway_token_details_total", ["detail"], { model })).toEqual({ cached_input: cached });
    // The double nearest to the exact sum: not a digit was lost on the way.
    expect(counted("gateway_cost_usd_total", ["type"], { model })).toEqual({
      input: nano.input / 1e9,
      output: nano.output / 1e9,
    });
    expect(counted("gateway_usage_total", ["source"], { model })).toEqual({ provider: usages.length });
    expect(counted("gateway_price_lookups_total", ["status"], { model })).toEqual({ custom: usages.length });
    expect(
      sum(
        Object.values(counted("gen_ai_client_token_usage_sum", ["gen_ai_token_type"], { gen_ai_request_model: model })),
      ),
    ).toBe(input + output);

    const own = lines.filter((line) => line.model === model);
    expect([
      sum(own.map((line) => line.input_tokens)),
      sum(own.map((line) => line.output_tokens)),
      sum(own.map((line) => line.cost_nano_usd)),
    ]).toEqual([input, output, nano.input + nano.output]);

    const spans = attempts().filter(({ attributes }) => attributes["gen_ai.request.model"] === model);
    const traces = new Set(spans.map(({ traceId }) => traceId));
    expect([
      sum(spans.map(({ attributes }) => attributes["gen_ai.usage.input_tokens"])),
      sum(spans.map(({ attributes }) => attributes["gen_ai.usage.output_tokens"])),
    ]).toEqual([input, output]);
    expect(
      sum(
        servers()
          .filter(({ traceId }) => traces.has(traceId))
          .map(({ attributes }) => attributes["tollgate.cost.nano_usd"]),
      ),
    ).toBe(nano.input + nano.output);
  });

  test("what was estimated agrees too: metrics, spans and lines tell the same tokens and the same money", () => {
    const own = lines.filter((line) => line.model === "vague");
    const spans = attempts().filter(({ attributes }) => attributes["gen_ai.request.model"] === "vague");
    const traces = new Set(spans.map(({ traceId }) => traceId));
    const tokens = {
      input: sum(own.map((line) => line.input_tokens)),
      output: sum(own.map((line) => line.output_tokens)),
    };
    const nano = sum(own.map((line) => line.cost_nano_usd));
    expect(nano).toBeGreaterThan(0);
    expect(counted("token_spend_total", ["type"], { model: "vague" })).toEqual(tokens);
    expect(sum(spans.map(({ attributes }) => attributes["gen_ai.usage.output_tokens"]))).toBe(tokens.output);
    expect(
      sum(
        servers()
          .filter(({ traceId }) => traces.has(traceId))
          .map(({ attributes }) => attributes["tollgate.cost.nano_usd"]),
      ),
    ).toBe(nano);
    expect(Math.round(sum(Object.values(counted("gateway_cost_usd_total", ["type"], { model: "vague" }))) * 1e9)).toBe(
      nano,
    );
    expect(counted("gateway_usage_total", ["source"], { model: "vague" })).toEqual(
      tally(own.flatMap((line) => (typeof line.usage_source === "string" ? [line.usage_source] : []))),
    );
    expect(counted("gateway_usage_total", ["source"], { model: "vague" })).not.toHaveProperty("provider");
  });

  test("successes, failures and errors", () => {
    const generations = seen.filter(({ plan: { kind } }) => kind !== "file");
    const ended = (kind: string) => generations.filter(({ ending }) => ending.startsWith(`${kind} `));
    const reasons = (some: readonly Seen[]) => tally(some.map(({ ending }) => ending.split(" ")[1] ?? ""));
    expect(sum(Object.values(counted("generation_success_total", [])))).toBe(ended("completed").length);
    expect(counted("generation_failure_total", ["error_type"])).toEqual(reasons(ended("failed")));
    expect(counted("errors_total", ["error_type"])).toEqual(reasons([...ended("failed"), ...ended("refused")]));
    expect(sum(Object.values(counted("gateway_rejections_total", [])))).toBe(
      counts.malformed + counts.unknownModel + counts.tooLarge,
    );
  });

  test("time: every histogram counted every request, and the phases add up to the totals", () => {
    const total = sum(servers().map(({ startedAt, endedAt }) => (endedAt - startedAt) / 1000));
    expect(
      sum(Object.values(counted("http_request_duration_seconds_count", [], { service: "gateway" }))),
    ).toBeGreaterThanOrEqual(2_000);
    expect(sum(Object.values(counted("gateway_overhead_seconds_count", [])))).toBe(2_000);
    expect(sum(Object.values(counted("gateway_request_phase_seconds_sum", [])))).toBeCloseTo(total, 3);
  });

  test("nothing is left open, and telemetry lost nothing", () => {
    for (const name of [
      "gateway_open_streams",
      "gateway_backend_inflight",
      "gateway_events_lost_total",
      "gateway_exporter_errors_total",
    ]) {
      expect([name, counted(name, [])]).toEqual([name, {}]);
    }
  });
});
