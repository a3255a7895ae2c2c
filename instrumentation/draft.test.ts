import { expect, test } from "vitest";
import { ExchangeDraft, type Opening } from "./draft.ts";

const opening: Opening = {
  id: "id",
  openedAt: 1_700_000_000_000,
  startedAt: 1000,
  operation: "chat",
  serviceType: "llm_chat",
  endpoint: "/v1/chat/completions",
  method: "POST",
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), flags: 0 },
  caller: { auth: "none" },
  purpose: {},
};
const done = { kind: "completed", status: 200, finish: "stop" } as const;

test("phases add up to the total, whatever their order and however often each comes", () => {
  const draft = new ExchangeDraft(opening);
  draft.enter("overhead", 1001.5);
  draft.enter("connect", 1002);
  draft.enter("receive", 1010);
  draft.enter("firstByte", 1011);
  draft.enter("stream", 1200.25);
  draft.close(done, 1500);
  const { phases, totalSeconds } = draft.seal({});
  expect(phases).toEqual({
    receive: 0.0025,
    queue: 0,
    backoff: 0,
    connect: 0.008,
    firstByte: 0.18925,
    stream: 0.29975,
    overhead: 0.0005,
  });
  expect(Object.values(phases).reduce((sum, one) => sum + one, 0)).toBeCloseTo(totalSeconds, 12);
});

test("the first close wins, and later ones change neither outcome nor time", () => {
  const draft = new ExchangeDraft(opening);
  expect(draft.close({ kind: "abandoned", status: 499 }, 1100)).toBe(true);
  expect(draft.close(done, 9999)).toBe(false);
  const exchange = draft.seal({});
  expect(exchange.outcome).toEqual({ kind: "abandoned", status: 499 });
  expect(exchange.totalSeconds).toBe(0.1);
});

test("an exchange cannot be sealed before it was closed", () => {
  expect(() => new ExchangeDraft(opening).seal({})).toThrow(TypeError);
});

test("a sealed exchange is frozen to its leaves", () => {
  const draft = new ExchangeDraft(opening);
  draft.attempts.push({ backend: "b", provider: "p", model: "m", spanId: "c".repeat(16), startedAt: 1001 });
  draft.close(done, 1002);
  const exchange = draft.seal({ tokens: { input: 1 }, usageSource: "provider", media: { images: 1 } });
  for (const part of [
    exchange,
    exchange.phases,
    exchange.model,
    exchange.bytes,
    exchange.attempts,
    exchange.attempts[0],
    exchange.tokens,
    exchange.media,
    exchange.outcome,
  ]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

test("what is unknown is absent, not zero", () => {
  const draft = new ExchangeDraft(opening);
  draft.close(done, 1002);
  const exchange = draft.seal({});
  for (const name of ["tokens", "usageSource", "media", "cost", "firstTokenSeconds", "messageCount"])
    expect(exchange).not.toHaveProperty(name);
  expect(exchange.model).toEqual({});
});

test("an attempt that nobody ended is abandoned, and lasts until the exchange's end", () => {
  const draft = new ExchangeDraft(opening);
  draft.attempts.push({ backend: "b", provider: "p", model: undefined, spanId: "c".repeat(16), startedAt: 1100 });
  draft.close(done, 1300);
  expect(draft.seal({}).attempts[0]).toMatchObject({ result: "abandoned", startedAfter: 0.1, seconds: 0.2 });
});

test("no first token comes after the end: what a broken answer still held goes out after its close", () => {
  const draft = new ExchangeDraft(opening);
  draft.close(done, 1500);
  draft.firstTokenAt = 1500.3;
  expect(draft.seal({}).firstTokenSeconds).toBe(0.5);
});
