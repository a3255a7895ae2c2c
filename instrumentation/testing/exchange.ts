// A finished exchange for tests: complete, plausible, and changed where a test says so.
import type { Attempt, Exchange } from "../exchange.ts";

export const sampleAttempt: Attempt = Object.freeze({
  backend: "main",
  provider: "openai",
  model: "gpt-4o-mini",
  spanId: "b7ad6b7169203331",
  startedAfter: 0.002,
  seconds: 0.405,
  connectSeconds: 0.001,
  firstByteSeconds: 0.2,
  status: 200,
  result: "completed",
  upstreamRequestId: "req_1",
  address: "api.openai.com",
  port: 443,
});

const sample: Exchange = Object.freeze({
  kind: "exchange",
  id: "x-1",
  openedAt: 1_790_000_000_000.25,
  operation: "chat",
  serviceType: "llm_chat",
  endpoint: "/v1/chat/completions",
  method: "POST",
  caller: Object.freeze({
    auth: "key",
    keyId: "k1",
    keyLabel: "web",
    user: "ann",
    address: "203.0.113.9",
    userAgent: "OpenAI/JS 7.55.0",
    requestId: "theirs-1",
  }),
  purpose: Object.freeze({
    feature: "search",
    scenario: "faq",
    session: "s-1",
    metadata: Object.freeze({ tier: "gold" }),
  }),
  model: Object.freeze({ requested: "gpt-4o-mini", served: "gpt-4o-mini-2024-07-18" }),
  streamed: true,
  messageCount: 2,
  upstreamMode: "chat",
  mcpServers: Object.freeze([]),
  systemPromptApplied: false,
  attempts: Object.freeze([sampleAttempt]),
  cache: "bypass",
  phases: Object.freeze({
    receive: 0.001,
    queue: 0,
    backoff: 0,
    connect: 0.001,
    firstByte: 0.2,
    stream: 0.204,
    overhead: 0.006,
  }),
  totalSeconds: 0.412,
  firstTokenSeconds: 0.21,
  bytes: Object.freeze({ request: 410, response: 9000 }),
  tokens: Object.freeze({ input: 1000, output: 200, cachedInput: 600, cacheWrite: 50, reasoning: 120 }),
  usageSource: "provider",
  cost: Object.freeze({
    status: "exact",
    nanoUsd: 225_001,
    input: 105_001,
    output: 120_000,
    other: 0,
    price: "openai/gpt-4o-mini",
  }),
  outcome: Object.freeze({ kind: "completed", status: 200, finish: "stop" }),
  trace: Object.freeze({
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "1111111111111111",
    parentSpanId: "00f067aa0ba902b7",
    tracestate: "congo=1",
    flags: 1,
  }),
});

/** The sample with some members changed; the others stay as they are. */
export const sampleExchange = (changes: Partial<Exchange> = {}): Exchange => Object.freeze({ ...sample, ...changes });

/** The sample without the members named, as if they had never been known. */
export function sampleWithout(...names: (keyof Exchange)[]): Exchange {
  const entries = Object.entries(sample).filter(([name]) => !names.includes(name as keyof Exchange));
  return Object.freeze(Object.fromEntries(entries)) as unknown as Exchange;
}

/** A failed exchange: one attempt, which could not reach its backend. */
export const failedExchange = (changes: Partial<Exchange> = {}): Exchange => {
  const { tokens: _, cost: __, firstTokenSeconds: ___, ...rest } = sample;
  return Object.freeze({
    ...rest,
    attempts: [{ ...sampleAttempt, status: 502, result: "failed", reason: "unreachable" }],
    usageSource: "missing",
    outcome: {
      kind: "failed",
      status: 502,
      reason: "unreachable",
      severity: "critical",
      message: "The backend is away.",
    },
    ...changes,
  } satisfies Exchange);
};
