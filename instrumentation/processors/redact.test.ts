import { describe, expect, test } from "vitest";
import type { Exchange } from "../exchange.ts";
import { failedExchange, sampleAttempt, sampleExchange, sampleWithout } from "../testing/exchange.ts";
import { redact } from "./redact.ts";

const clean = redact();
const secret = "sk-proj-Zx81QpLm02VnRt57";

describe("a record with nothing to hide", () => {
  test.each([sampleExchange(), failedExchange(), sampleWithout("tokens", "cost", "usageSource", "messageCount")])(
    "is the same object %#",
    (record) => {
      expect(clean(record)).toBe(record);
    },
  );

  test("keeps the hashed user that OpenAI recommends", () => {
    const user = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const record = sampleExchange({ caller: { auth: "none", user }, purpose: { session: user.slice(0, 32) } });
    expect(clean(record)).toBe(record);
  });
});

describe("a secret does not survive in", () => {
  const base = sampleExchange();
  const cases: [string, Partial<Exchange>][] = [
    [
      "the message",
      { outcome: { kind: "failed", status: 502, reason: "internal", severity: "critical", message: secret } },
    ],
    [
      "a refusal",
      { outcome: { kind: "refused", status: 400, reason: "invalid", severity: "warning", message: secret } },
    ],
    ["the finish reason", { outcome: { kind: "completed", status: 200, finish: secret } }],
    ["the user", { caller: { ...base.caller, user: secret } }],
    ["the user agent", { caller: { ...base.caller, userAgent: `x/1 ${secret}` } }],
    ["the client's request id", { caller: { ...base.caller, requestId: secret } }],
    ["the key label", { caller: { ...base.caller, keyLabel: secret } }],
    ["the feature", { purpose: { feature: secret } }],
    ["the scenario", { purpose: { scenario: secret } }],
    ["the session", { purpose: { session: secret } }],
    ["a metadata value", { purpose: { metadata: { a: secret } } }],
    ["a metadata key", { purpose: { metadata: { [secret]: "a" } } }],
    ["the requested model", { model: { requested: secret } }],
    ["the served model", { model: { served: secret } }],
    ["an attempt's model", { attempts: [sampleAttempt, { ...sampleAttempt, model: secret }] }],
    ["the backend's request id", { attempts: [{ ...sampleAttempt, upstreamRequestId: secret }] }],
    ["an MCP server", { mcpServers: ["fine", secret] }],
    ["the tracestate", { trace: { ...base.trace, tracestate: `a=${secret}` } }],
    ["a label", { labels: { model: secret, servedModel: secret, key: secret, feature: secret } }],
    ["the voice", { media: { voice: secret } }],
  ];
  test.each(cases)("%s", (_, changes) => {
    const record = sampleExchange(changes);
    const safe = clean(record);
    expect(JSON.stringify(safe)).not.toContain(secret);
    expect(JSON.stringify(safe)).toContain("[redacted]");
    expect(Object.isFrozen(safe)).toBe(true);
    // The record that was handed in is not touched, and all the rest is as it was.
    expect(JSON.stringify(record)).toContain(secret);
    const [changed] = Object.keys(changes);
    expect({ ...safe, [changed ?? ""]: null }).toEqual({ ...record, [changed ?? ""]: null });
  });
});

test("a metadata value under a secret's name goes, whatever it looks like", () => {
  const safe = clean(sampleExchange({ purpose: { metadata: { api_key: "plain", tier: "gold" } } }));
  expect((safe as Exchange).purpose.metadata).toEqual({ api_key: "[redacted]", tier: "gold" });
});

test("the message loses internal addresses and is cut to 200 characters", () => {
  const message = `connect ECONNREFUSED 10.1.2.3:8000 ${"and so on ".repeat(50)}`;
  const safe = clean(
    failedExchange({ outcome: { kind: "failed", status: 502, reason: "unreachable", severity: "critical", message } }),
  );
  const { outcome } = safe as Exchange;
  expect(outcome).toMatchObject({ message: expect.stringMatching(/^connect ECONNREFUSED \[address\] and so on/) });
  expect("message" in outcome && outcome.message?.length).toBe(200);
});

test("a tracked event's service is scrubbed too", () => {
  expect(clean({ kind: "tracked", id: "t", openedAt: 1, service: secret })).toMatchObject({ service: "[redacted]" });
  const fine = { kind: "tracked", id: "t", openedAt: 1, service: "billing" } as const;
  expect(clean(fine)).toBe(fine);
});
