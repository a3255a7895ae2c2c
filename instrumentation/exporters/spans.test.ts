import { describe, expect, test } from "vitest";
import type { CacheSaved } from "../cache-saved.ts";
import type { Exchange, UsageRecord } from "../exchange.ts";
import type { Outcome } from "../outcome.ts";
import type { SpanData } from "../span.ts";
import { failedExchange, sampleAttempt, sampleExchange, sampleWithout } from "../testing/exchange.ts";
import { spans } from "./spans.ts";

const all = { sampleRatio: 1, slowSeconds: 10, maxPerSecond: 1_000_000 };

function exported(record: UsageRecord, settings = all): SpanData[] {
  const batches: (readonly SpanData[])[] = [];
  const sink = {
    accept: (batch: readonly SpanData[]) => void batches.push(batch),
    shutdown: async () => {},
    buffered: 0,
  };
  spans({ sink, settings }).export(record);
  expect(batches.length).toBeLessThanOrEqual(1);
  return [...(batches[0] ?? [])];
}

function pair(record: Exchange): { server: SpanData; client: SpanData } {
  const [server, client] = exported(record);
  if (server === undefined || client === undefined) throw new Error("two spans were expected");
  return { server, client };
}

const refused: Outcome = {
  kind: "refused",
  status: 429,
  reason: "rate_limited",
  severity: "warning",
  message: "slow down",
};
const abandoned: Outcome = { kind: "abandoned", status: 499 };

describe("an exchange's spans", () => {
  test("are a SERVER span under the caller's span, and a CLIENT span under that", () => {
    const { server, client } = pair(sampleExchange());
    expect(server).toMatchObject({
      name: "POST /v1/chat/completions",
      kind: "server",
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      spanId: "1111111111111111",
      parentSpanId: "00f067aa0ba902b7",
      parentIsRemote: true,
      tracestate: "congo=1",
      startedAt: 1_790_000_000_000.25,
    });
    expect(server.endedAt - server.startedAt).toBeCloseTo(412, 3);
    expect(client).toMatchObject({
      name: "chat gpt-4o-mini",
      kind: "client",
      traceId: server.traceId,
      spanId: sampleAttempt.spanId,
      parentSpanId: server.spanId,
      parentIsRemote: false,
      tracestate: "congo=1",
    });
    expect(client.startedAt - server.startedAt).toBeCloseTo(2, 3);
    expect(client.endedAt - client.startedAt).toBeCloseTo(405, 3);
  });

  test("begin a trace where the caller had none", () => {
    const { server } = pair(sampleExchange({ trace: { traceId: "a".repeat(32), spanId: "b".repeat(16) } }));
    expect(server.parentIsRemote).toBe(false);
    expect(server).not.toHaveProperty("parentSpanId");
    expect(server).not.toHaveProperty("tracestate");
  });

  test("carry exactly the names that dashboards may rely on", () => {
    const { server, client } = pair(
      sampleExchange({ mcpServers: ["docs"], outcome: { kind: "completed", status: 200, finish: "length" } }),
    );
    expect(server.attributes).toEqual({
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      "http.response.status_code": 200,
      "http.request.body.size": 410,
      "http.response.body.size": 9000,
      "user_agent.original": "OpenAI/JS 7.55.0",
      "client.address": "203.0.113.9",
      "tollgate.exchange.id": "x-1",
      "tollgate.operation": "chat",
      "tollgate.service_type": "llm_chat",
      "tollgate.outcome": "completed",
      "tollgate.streamed": true,
      "tollgate.cache": "bypass",
      "tollgate.attempts": 1,
      "tollgate.auth": "key",
      "tollgate.phase.receive_seconds": 0.001,
      "tollgate.phase.queue_seconds": 0,
      "tollgate.phase.backoff_seconds": 0,
      "tollgate.phase.connect_seconds": 0.001,
      "tollgate.phase.first_byte_seconds": 0.2,
      "tollgate.phase.stream_seconds": 0.204,
      "tollgate.phase.overhead_seconds": 0.006,
      "tollgate.first_token_seconds": 0.21,
      "tollgate.backend": "main",
      "tollgate.key": "web",
      "tollgate.user": "ann",
      "tollgate.client_request_id": "theirs-1",
      "tollgate.feature": "search",
      "tollgate.scenario": "faq",
      "tollgate.session": "s-1",
      "tollgate.message_count": 2,
      "tollgate.mcp.servers": ["docs"],
      "tollgate.usage.source": "provider",
      "tollgate.cost.status": "exact",
      "tollgate.cost.usd": 0.000225001,
      "tollgate.cost.nano_usd": 225_001,
      "tollgate.cost.price": "openai/gpt-4o-mini",
    });
    expect(client.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o-mini",
      "gen_ai.request.stream": true,
      "gen_ai.conversation.id": "s-1",
      "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
      "gen_ai.response.finish_reasons": ["length"],
      "gen_ai.usage.input_tokens": 1000,
      "gen_ai.usage.output_tokens": 200,
      "gen_ai.usage.cache_read.input_tokens": 600,
      "gen_ai.usage.cache_creation.input_tokens": 50,
      "gen_ai.usage.reasoning.output_tokens": 120,
      "server.address": "api.openai.com",
      "server.port": 443,
      "http.response.status_code": 200,
      "tollgate.backend": "main",
      "tollgate.attempt": 1,
      "tollgate.attempt.result": "completed",
      "tollgate.attempt.connect_seconds": 0.001,
      "tollgate.attempt.first_byte_seconds": 0.2,
      "tollgate.attempt.request_id": "req_1",
    });
  });

  test("an answer from the cache adds what it saved, as far as that is known", () => {
    const saved = { backend: "main", provider: "openai", seconds: 1 };
    const attributesOf = (cacheSaved: CacheSaved) => {
      const [server, ...others] = exported(sampleExchange({ cache: "hit", attempts: [], cacheSaved }));
      expect(others).toEqual([]);
      const entries = Object.entries(server?.attributes ?? {});
      return Object.fromEntries(entries.filter(([name]) => name.startsWith("tollgate.cache_saved.")));
    };
    expect(
      attributesOf({
        ...saved,
        tokens: { input: 1000, output: 200, cachedInput: 600, cacheWrite: 50, reasoning: 120 },
        media: { images: 1, characters: 2, audioSeconds: 3.5 },
        nanoUsd: 225_001,
      }),
    ).toEqual({
      "tollgate.cache_saved.input_tokens": 1000,
      "tollgate.cache_saved.output_tokens": 200,
      "tollgate.cache_saved.cached_input_tokens": 600,
      "tollgate.cache_saved.cache_write_tokens": 50,
      "tollgate.cache_saved.reasoning_tokens": 120,
      "tollgate.cache_saved.images": 1,
      "tollgate.cache_saved.characters": 2,
      "tollgate.cache_saved.audio_seconds": 3.5,
      "tollgate.cache_saved.usd": 0.000225001,
      "tollgate.cache_saved.nano_usd": 225_001,
    });
    expect(attributesOf(saved)).toEqual({});
  });

  test("a failure adds its reason and severity", () => {
    const { server, client } = pair(failedExchange());
    expect(server.attributes).toMatchObject({
      "error.type": "unreachable",
      "tollgate.outcome": "failed",
      "tollgate.reason": "unreachable",
      "tollgate.severity": "critical",
    });
    expect(client.attributes["error.type"]).toBe("unreachable");
  });

  test("what is not known has no attribute", () => {
    const { server, client } = pair(
      sampleExchange({
        ...sampleWithout("tokens", "cost", "usageSource", "firstTokenSeconds", "messageCount"),
        tokens: {},
        cost: { status: "unpriced" },
        caller: { auth: "none" },
        purpose: {},
        model: {},
        attempts: [
          { backend: "b", provider: "vllm", spanId: "c".repeat(16), startedAfter: 0, seconds: 1, result: "completed" },
        ],
        outcome: { kind: "completed", status: 200, finish: "" },
      }),
    );
    expect(client.name).toBe("chat");
    expect(client.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "vllm",
      "gen_ai.request.stream": true,
      "tollgate.backend": "b",
      "tollgate.attempt": 1,
      "tollgate.attempt.result": "completed",
    });
    expect(server.attributes).toMatchObject({ "tollgate.cost.status": "unpriced" });
    expect(Object.values(server.attributes)).not.toContain(undefined);
    expect(server.attributes).not.toHaveProperty(["tollgate.cost.usd"]);
  });

  test("a fallback shows each try with its own error, and usage on the answering one alone", () => {
    const first = {
      ...sampleAttempt,
      backend: "a",
      spanId: "a".repeat(16),
      status: 500,
      result: "failed",
      reason: "upstream_status",
    } as const;
    const second = { ...sampleAttempt, backend: "b", spanId: "b".repeat(16) };
    const [server, failed, answered, ...more] = exported(sampleExchange({ attempts: [first, second] }));
    expect(more).toEqual([]);
    expect(server).not.toHaveProperty("error");
    expect(server?.attributes).toMatchObject({ "tollgate.attempts": 2, "tollgate.backend": "b" });
    expect(failed).toMatchObject({ error: "", attributes: { "error.type": "upstream_status", "tollgate.attempt": 1 } });
    expect(Object.keys(failed?.attributes ?? {}).filter((name) => /usage|response\.(model|finish)/.test(name))).toEqual(
      [],
    );
    expect(answered).not.toHaveProperty("error");
    expect(answered?.attributes).toMatchObject({ "gen_ai.usage.input_tokens": 1000, "tollgate.attempt": 2 });
  });

  test("a backend's refusal is an error of the CLIENT span only", () => {
    const attempt = { ...sampleAttempt, status: 400, result: "refused", reason: "upstream_rejected" } as const;
    const outcome = { kind: "refused", status: 400, reason: "upstream_rejected", severity: "warning" } as const;
    const { server, client } = pair(sampleExchange({ attempts: [attempt], outcome }));
    expect(server).not.toHaveProperty("error");
    expect(server.attributes).not.toHaveProperty(["error.type"]);
    expect(server.attributes).toMatchObject({
      "http.response.status_code": 400,
      "tollgate.reason": "upstream_rejected",
    });
    expect(client).toMatchObject({ error: "", attributes: { "error.type": "upstream_rejected" } });
  });

  test("a client that left is no error, on either span", () => {
    const { server, client } = pair(
      sampleExchange({ attempts: [{ ...sampleAttempt, result: "abandoned" }], outcome: abandoned }),
    );
    for (const span of [server, client]) {
      expect(span).not.toHaveProperty("error");
      expect(span.attributes).not.toHaveProperty(["error.type"]);
    }
    expect(server.attributes).toMatchObject({ "tollgate.outcome": "abandoned", "http.response.status_code": 499 });
  });

  test("a stream that broke after its 200 is an error with the failure's message", () => {
    const outcome: Outcome = {
      kind: "failed",
      status: 200,
      reason: "broken_stream",
      severity: "error",
      message: "it broke off",
    };
    const { server } = pair(failedExchange({ outcome }));
    expect(server).toMatchObject({ error: "it broke off", attributes: { "http.response.status_code": 200 } });
  });

  test("a request that met no backend is a SERVER span alone", () => {
    expect(exported(sampleExchange({ attempts: [], outcome: refused })).map((span) => span.kind)).toEqual(["server"]);
  });

  test("housekeeping is plain HTTP, with nothing of GenAI", () => {
    const { server, client } = pair(sampleExchange({ operation: "files", method: "GET", endpoint: "/v1/files/{id}" }));
    expect([server.name, client.name]).toEqual(["GET /v1/files/{id}", "GET /v1/files/{id}"]);
    expect(Object.keys(client.attributes).filter((name) => name.startsWith("gen_ai."))).toEqual([]);
    expect(client.attributes["http.request.method"]).toBe("GET");
  });

  test("a method that nobody knows does not make a name", () => {
    const { server } = pair(sampleExchange({ method: "PURGE" }));
    expect(server.name).toBe("HTTP /v1/chat/completions");
    expect(server.attributes).toMatchObject({
      "http.request.method": "_OTHER",
      "http.request.method_original": "PURGE",
    });
  });

  test("metadata stays out", () => {
    expect(JSON.stringify(exported(sampleExchange({ purpose: { metadata: { a: "canary" } } })))).not.toContain(
      "canary",
    );
  });

  test("a tracked event has none", () => {
    expect(exported({ kind: "tracked", id: "t", openedAt: 1, service: "billing" })).toEqual([]);
  });
});

describe("the tail rule, over 10,000 exchanges", () => {
  const settings = { sampleRatio: 0.05, slowSeconds: 2, maxPerSecond: 1_000_000 };
  /** Trace ids that are spread evenly over the sampled bits, in a shuffled order. */
  const traceId = (index: number) => {
    const spread = (BigInt((index * 7919) % 10_000) * 2n ** 56n) / 10_000n;
    return `f00000000000000000${spread.toString(16).padStart(14, "0")}`;
  };
  const exchanges = (changes: Partial<Exchange>) =>
    Array.from({ length: 10_000 }, (_, index) =>
      sampleExchange({
        ...changes,
        trace: { traceId: traceId(index), spanId: "1".repeat(16), parentSpanId: "2".repeat(16), flags: 1 },
      }),
    );
  const kept = (records: Exchange[], rule = settings) => {
    const found = new Set<string>();
    const sink = {
      accept: ([span]: readonly SpanData[]) => void found.add(span?.traceId ?? ""),
      shutdown: async () => {},
      buffered: 0,
    };
    const exporter = spans({ sink, settings: rule });
    for (const record of records) exporter.export(record);
    return found;
  };

  test("every failure is kept, and everything slow", () => {
    const { outcome } = failedExchange();
    expect(kept(exchanges({ outcome })).size).toBe(10_000);
    expect(kept(exchanges({ totalSeconds: 2.001 })).size).toBe(10_000);
  });

  test.each<[string, Partial<Exchange>]>([
    ["completed", {}],
    ["refused", { outcome: refused }],
    ["abandoned", { outcome: abandoned }],
    ["just not slow", { totalSeconds: 2 }],
  ])("of the %s ones a twentieth is kept, whatever flag the caller set", (_, changes) => {
    expect(kept(exchanges(changes)).size).toBe(500);
  });

  test("replicas agree, and a lower ratio keeps a part of what a higher one keeps", () => {
    const records = exchanges({});
    const twentieth = kept(records);
    expect(kept(records)).toEqual(twentieth);
    const half = kept(records, { ...settings, sampleRatio: 0.5 });
    expect(half.size).toBe(5_000);
    expect([...twentieth].every((id) => half.has(id))).toBe(true);
  });

  test("a ratio of 1 keeps all and a ratio of 0 none", () => {
    const edges = ["0".repeat(31), "f".repeat(31)].map((id) =>
      sampleExchange({ trace: { traceId: `${id}1`, spanId: "1".repeat(16) } }),
    );
    expect(kept(edges, { ...settings, sampleRatio: 1 }).size).toBe(2);
    expect(kept(edges, { ...settings, sampleRatio: 0 }).size).toBe(0);
  });

  test("of the others no more than so many a second are kept; failures and slow ones do not count", () => {
    const rule = { ...settings, sampleRatio: 1, maxPerSecond: 100 };
    const first = exchanges({ openedAt: 5_000 });
    const next = exchanges({ openedAt: 6_000, trace: { traceId: "f".repeat(32), spanId: "1".repeat(16) } });
    const { outcome } = failedExchange();
    expect(kept(first, rule).size).toBe(100);
    expect(kept([...exchanges({ openedAt: 5_000, outcome }).slice(0, 5_000), ...first.slice(5_000)], rule).size).toBe(
      5_100,
    );
    const later = first.slice(0, 150).concat(next.slice(200, 350));
    expect(kept(later, rule).size).toBe(200);
  });

  test("nothing is built for an exchange that is not kept", () => {
    const untouchable = new Proxy(
      sampleExchange({ trace: { traceId: "0".repeat(31).concat("1"), spanId: "1".repeat(16) } }),
      {
        get(target, name, receiver) {
          if (!["kind", "outcome", "totalSeconds", "trace"].includes(String(name)))
            throw new Error(`${String(name)} was read`);
          return Reflect.get(target, name, receiver);
        },
      },
    );
    expect(exported(untouchable, settings)).toEqual([]);
  });
});
