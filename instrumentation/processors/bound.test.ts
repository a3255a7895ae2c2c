import { expect, test, vi } from "vitest";
import type { Exchange } from "../exchange.ts";
import type { Outcome } from "../outcome.ts";
import { sampleExchange } from "../testing/exchange.ts";
import { bound } from "./bound.ts";

const settings = {
  models: ["gpt-4o"],
  features: ["search"],
  maxModels: 2,
  maxFeatures: 2,
  maxKeys: 2,
  maxSeriesPerMetric: 2_000,
  activeUserSeconds: 900,
};
const notFound: Outcome = { kind: "refused", status: 404, reason: "no_route", severity: "warning" };

const labelsOf = (process: ReturnType<typeof bound>, exchange: Exchange) => {
  const record = process(exchange);
  return record.kind === "exchange" ? record.labels : undefined;
};

const asking = (requested: string, more: Partial<Exchange> = {}) => sampleExchange({ model: { requested }, ...more });

test("known names, then the first to come, then other", () => {
  const overflow = vi.fn();
  const process = bound({ settings, overflow });
  const seen = ["a", "b", "c", "a", "gpt-4o"].map((model) => labelsOf(process, asking(model))?.model);
  expect(seen).toEqual(["a", "b", "other", "a", "gpt-4o"]);
  expect(overflow.mock.calls).toEqual([["model"]]);
});

test("models known from config need no place", () => {
  const process = bound({ settings, models: ["x", "y", "z"], overflow: () => {} });
  expect(["x", "y", "z", "a", "b"].map((model) => labelsOf(process, asking(model))?.model)).toEqual([
    "x",
    "y",
    "z",
    "a",
    "b",
  ]);
});

test("names that nobody serves take no place", () => {
  const process = bound({ settings, overflow: () => {} });
  for (let index = 0; index < 1_000; index++) {
    const nonsense = asking(`nonsense-${index}`, {
      outcome: notFound,
      attempts: [],
      purpose: { feature: `nonsense-${index}` },
    });
    expect(labelsOf(process, nonsense)).toMatchObject({ model: "other", feature: "other" });
  }
  expect(labelsOf(process, asking("a", { purpose: { feature: "f" } }))).toMatchObject({ model: "a", feature: "f" });
});

test("a model that answered with 200 and then broke off is a real one", () => {
  const process = bound({ settings, overflow: () => {} });
  const broken: Outcome = { kind: "failed", status: 200, reason: "broken_stream", severity: "error" };
  expect(labelsOf(process, asking("a", { outcome: broken }))?.model).toBe("a");
});

test("a key has its label although it was turned down: only known keys have one", () => {
  const process = bound({ settings, overflow: () => {} });
  const auth: Outcome = { kind: "refused", status: 401, reason: "auth", severity: "warning" };
  const caller = { auth: "key", keyId: "k1", keyLabel: "web" } as const;
  expect(labelsOf(process, sampleExchange({ caller, outcome: auth, attempts: [] }))?.key).toBe("web");
});

test("what is absent has its fixed word, or no label at all", () => {
  const overflow = vi.fn();
  const process = bound({ settings, overflow });
  const bare = sampleExchange({ model: {}, caller: { auth: "none" }, purpose: {} });
  expect(labelsOf(process, bare)).toEqual({ model: "other", servedModel: "other", key: "anonymous" });
  expect(overflow).not.toHaveBeenCalled();
});

test.each(["x".repeat(81), "x".repeat(10_000_000), "a\nb", "", "undefined", "\u001b[31m"])(
  "a value that no label may have becomes other",
  (value) => {
    const overflow = vi.fn();
    const process = bound({ settings, overflow });
    expect(labelsOf(process, asking(value))?.model).toBe("other");
    expect(overflow).toHaveBeenCalledExactlyOnceWith("model");
  },
);

test("the record that came in is left as it was", () => {
  const exchange = sampleExchange({});
  const processed = bound({ settings, overflow: () => {} })(exchange);
  expect(exchange.labels).toBeUndefined();
  expect(processed).not.toBe(exchange);
  expect(Object.isFrozen(processed)).toBe(true);
});

test("a tracked event passes unchanged", () => {
  const event = { kind: "tracked", id: "e", openedAt: 0, service: "shop" } as const;
  expect(bound({ settings, overflow: () => {} })(event)).toBe(event);
});
