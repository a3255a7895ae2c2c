import { describe, expect, test } from "vitest";
import type { Exchange, UsageRecord } from "../exchange.ts";
import type { LogLevel } from "../settings.ts";
import { failedExchange, sampleAttempt, sampleExchange, sampleWithout } from "../testing/exchange.ts";
import { log } from "./log.ts";

function lines(record: UsageRecord, level: LogLevel = "info"): Record<string, unknown>[] {
  const written: string[] = [];
  const output = { write: (line: string) => void written.push(line), flush: async () => {}, buffered: 0 };
  log({ output, settings: { level, format: "json" } }).export(record);
  for (const line of written) expect(line).toMatch(/^\{[^\n]*\}\n$/);
  return written.map((line) => JSON.parse(line));
}

const refused: Partial<Exchange> = {
  outcome: { kind: "refused", status: 429, reason: "rate_limited", severity: "warning", message: "slow down" },
};
const abandoned: Partial<Exchange> = { outcome: { kind: "abandoned", status: 499 }, totalSeconds: 12.34 };

describe("a line", () => {
  test("has exactly these names, in this order", () => {
    const [line] = lines(sampleExchange());
    expect(line).toEqual({
      level: "info",
      time: "2026-09-21T14:13:20.412Z",
      id: "x-1",
      trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
      span_id: "1111111111111111",
      operation: "chat",
      method: "POST",
      endpoint: "/v1/chat/completions",
      model: "gpt-4o-mini",
      served_model: "gpt-4o-mini-2024-07-18",
      backend: "main",
      attempts: 1,
      status: 200,
      outcome: "completed",
      finish: "stop",
      streamed: true,
      cache: "bypass",
      duration_seconds: 0.412,
      first_token_seconds: 0.21,
      receive_seconds: 0.001,
      queue_seconds: 0,
      backoff_seconds: 0,
      connect_seconds: 0.001,
      first_byte_seconds: 0.2,
      stream_seconds: 0.204,
      overhead_seconds: 0.006,
      usage_source: "provider",
      input_tokens: 1000,
      output_tokens: 200,
      cached_input_tokens: 600,
      cache_write_tokens: 50,
      reasoning_tokens: 120,
      cost_status: "exact",
      cost_usd: 0.000225001,
      cost_nano_usd: 225_001,
      price: "openai/gpt-4o-mini",
      request_bytes: 410,
      response_bytes: 9000,
      key: "web",
      user: "ann",
      feature: "search",
      scenario: "faq",
      session: "s-1",
      client_request_id: "theirs-1",
      client_address: "203.0.113.9",
      user_agent: "OpenAI/JS 7.55.0",
      msg: "chat gpt-4o-mini 200 in 412 ms",
    });
    expect(Object.keys(line ?? {}).slice(0, 4)).toEqual(["level", "time", "id", "trace_id"]);
    expect(Object.keys(line ?? {}).at(-1)).toBe("msg");
  });

  test("of a failure has its reason, severity and error", () => {
    expect(lines(failedExchange())[0]).toMatchObject({
      level: "error",
      outcome: "failed",
      reason: "unreachable",
      severity: "critical",
      error: "The backend is away.",
      usage_source: "missing",
      msg: "chat gpt-4o-mini 502 failed (unreachable) in 412 ms",
    });
  });

  test("leaves out what is not known, and never says 0 for it", () => {
    const [line] = lines(
      sampleExchange({
        ...sampleWithout("tokens", "cost", "usageSource", "firstTokenSeconds"),
        operation: "files",
        endpoint: "/v1/files/{id}",
        method: "GET",
        model: {},
        attempts: [],
        caller: { auth: "none" },
        purpose: {},
        cost: { status: "unpriced" },
        tokens: {},
      }),
    );
    for (const name of [
      "backend",
      "model",
      "input_tokens",
      "cost_usd",
      "cost_nano_usd",
      "user",
      "key",
      "feature",
      "reason",
    ]) {
      expect(line).not.toHaveProperty(name);
    }
    expect(line).toMatchObject({ cost_status: "unpriced", msg: "GET /v1/files/{id} 200 in 412 ms" });
  });

  test("of an answer from the cache has what it saved", () => {
    const tokens = { input: 1000, output: 200 };
    const cacheSaved = { backend: "main", provider: "openai", seconds: 1, tokens, nanoUsd: 225_001 };
    const cost = { status: "exact", nanoUsd: 0, input: 0, output: 0, other: 0, price: "cache" } as const;
    const [line] = lines({ ...sampleWithout("tokens"), cache: "hit", attempts: [], cost, cacheSaved });
    expect(line).toMatchObject({
      cache: "hit",
      cost_usd: 0,
      cache_saved_input_tokens: 1000,
      cache_saved_output_tokens: 200,
      cache_saved_usd: 0.000225001,
      cache_saved_nano_usd: 225_001,
    });
    expect(line).not.toHaveProperty("input_tokens");
  });

  test("never holds metadata", () => {
    expect(JSON.stringify(lines(sampleExchange({ purpose: { metadata: { a: "canary" } } })))).not.toContain("canary");
  });

  test("stays one line whatever a client writes", () => {
    const [line] = lines(sampleExchange({ caller: { auth: "none", user: 'a"\n{"level":"fatal"}\u2028' } }));
    expect(line).toMatchObject({ level: "info", user: 'a"\n{"level":"fatal"}\u2028' });
  });

  test("counts every attempt, and names the last backend", () => {
    const attempts = [
      { ...sampleAttempt, backend: "first" },
      { ...sampleAttempt, backend: "second" },
    ];
    expect(lines(sampleExchange({ attempts }))[0]).toMatchObject({ attempts: 2, backend: "second" });
  });

  test.each([
    [0, 0],
    [1, 1e-9],
    [225_001, 0.000225001],
    [123_456_789_012_345, 123_456.789012345],
  ])("%i nano-USD are that many USD, to the last digit", (nanoUsd, usd) => {
    const cost = { status: "custom", nanoUsd, input: nanoUsd, output: 0, other: 0, price: "config" } as const;
    expect(lines(sampleExchange({ cost }))[0]).toMatchObject({ cost_usd: usd, cost_nano_usd: nanoUsd });
  });

  test("of a long wait tells seconds", () => {
    expect(lines(sampleExchange(abandoned))[0]).toMatchObject({
      level: "warn",
      msg: "chat gpt-4o-mini abandoned by the client after 12.3 s",
    });
  });

  test("of a tracked event is not written", () => {
    expect(lines({ kind: "tracked", id: "t", openedAt: 1, service: "billing" })).toEqual([]);
  });
});

describe("the level", () => {
  const records = [sampleExchange(), sampleExchange(refused), sampleExchange(abandoned), failedExchange()];
  test.each<[LogLevel, string[]]>([
    ["trace", ["info", "warn", "warn", "error"]],
    ["info", ["info", "warn", "warn", "error"]],
    ["warn", ["warn", "warn", "error"]],
    ["error", ["error"]],
    ["fatal", []],
    ["silent", []],
  ])("%s writes %j", (level, expected) => {
    expect(records.flatMap((record) => lines(record, level)).map((line) => line.level)).toEqual(expected);
  });
});
