// What is known of answers that no client got: a fallback answered in their place, and their backends charge all the same.
import { expect, test, vi } from "vitest";
import { realUse } from "./admission/allowance/real-use.ts";
import { eventStream } from "./testing/answers.ts";
import { good, usage } from "./testing/good-backend.ts";
import { sumsBy } from "./testing/metrics-text.ts";
import { chatRequest, event } from "./testing/payloads.ts";
import { type RoutedScene, routedScene, tries } from "./testing/routed-scene.ts";

const model = "alias";
const stated = { prompt_tokens: 1_000, completion_tokens: 40, total_tokens: 1_040 };
const delta = { role: "assistant", content: "" };
const chunk = (more: object) =>
  event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "dear", choices: [], ...more });
const failing = (...more: string[]) =>
  eventStream([chunk({ choices: [{ index: 0, delta }] }), ...more, event({ error: { message: "overloaded" } })]);

const price = (backend: string, perMillion: number) => ({
  model: "*",
  backend,
  inputPerMillion: perMillion,
  outputPerMillion: perMillion,
  origin: `config: ${backend}`,
});

const anywhere = ({ backend: _, ...rule }: ReturnType<typeof price>) => rule;

const scene = (targets: readonly string[], ...more: string[]): Promise<RoutedScene> =>
  routedScene({
    places: { a: { script: [failing(...more)] }, b: { otherwise: good("b") } },
    routes: [{ model, targets }],
    config: { prices: [price("a", 10), price("b", 1)] },
  });

const request = chatRequest(model, { stream: true, stream_options: { include_usage: true } });

test("usage that was stated in an answer that was discarded stands, with its cost, on that attempt alone", async () => {
  await using stage = await scene(["a", "b"], chunk({ usage: stated }));
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request));
  expect(tries(exchange)).toEqual(["a upstream_status", "b completed"]);
  const [first, second] = exchange.attempts;
  expect(first).toMatchObject({
    served: "dear",
    tokens: { input: 1_000, output: 40 },
    cost: { status: "custom", nanoUsd: 10_400_000, price: "config: a" },
  });
  for (const name of ["tokens", "served", "cost"]) expect(second).not.toHaveProperty(name);
  expect(exchange).toMatchObject({
    model: { served: "served" },
    tokens: usage,
    cost: { nanoUsd: (usage.input + usage.output) * 1_000, price: "config: b" },
  });
  await stage.tollgate.close();
  const spans = stage.tollgate.spans.filter(({ kind }) => kind === "client").map(({ attributes }) => attributes);
  expect(spans.map((span) => span["tollgate.attempt.discarded.nano_usd"])).toEqual([10_400_000, undefined]);
  expect(spans.map((span) => span["tollgate.attempt.discarded.input_tokens"])).toEqual([1_000, undefined]);
  expect(spans.map((span) => span["gen_ai.usage.input_tokens"])).toEqual([undefined, usage.input]);
});

test.each([
  ["breaks off", "reset", {}],
  ["stops", "stall", { idle: 0.1 }],
  ["takes too long", "stall", { total: 0.1 }],
] as const)("usage that was stated before a stream %s counts as well", async (_, end, timeouts) => {
  const role = chunk({ choices: [{ index: 0, delta }] });
  const goOn = Promise.withResolvers<void>();
  const script = [eventStream([role, chunk({ usage: stated }), goOn.promise], { end })];
  const unhurried = { connect: 5, firstByte: 5, idle: 5, total: 0, ...timeouts };
  await using stage = await routedScene({
    places: { a: { script, backend: { timeouts: unhurried } }, b: { otherwise: good("b") } },
    routes: [{ model, targets: ["a", "b"] }],
    config: { prices: [price("a", 10), price("b", 1)] },
  });
  const asked = stage.post("/chat/completions", request);
  await vi.waitFor(async () => expect(sumsBy(await stage.metrics(), "gateway_open_streams", [])).toEqual({ "": 1 }));
  goOn.resolve();
  const exchange = await stage.exchangeOf(await asked);
  expect(exchange.attempts.map(({ backend, result }) => [backend, result])).toEqual([
    ["a", "failed"],
    ["b", "completed"],
  ]);
  expect(exchange.attempts[0]).toMatchObject({ tokens: { input: 1_000, output: 40 }, cost: { nanoUsd: 10_400_000 } });
  expect(exchange.tokens).toMatchObject(usage);
});

test("what was discarded is charged by the price of its own model, whatever model answered then", async () => {
  await using stage = await routedScene({
    places: { a: { script: [failing(chunk({ usage: stated }))] }, b: { otherwise: good("b") } },
    routes: [{ model, targets: ["a", "b"] }],
    config: {
      prices: [
        { ...price("a", 10), model: "dear" },
        { ...price("b", 1), model: "served" },
      ].map(anywhere),
    },
  });
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request));
  expect(exchange.attempts[0]).toMatchObject({ cost: { nanoUsd: 10_400_000, price: "config: a" } });
  expect(exchange.cost).toMatchObject({ price: "config: b" });
});

test("what was discarded is in the money that was spent: in the metrics, the log line, and what its caller may spend", async () => {
  await using stage = await scene(["a", "b"], chunk({ usage: stated }));
  const headers = [["x-tollgate-feature", "search"]] as const;
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request, headers));
  const own = (usage.input + usage.output) * 1_000;
  const samples = await stage.metrics();
  const nano = (sums: Record<string, number>) =>
    Object.fromEntries(Object.entries(sums).map(([label, usd]) => [label, Math.round(usd * 1e9)]));
  expect(nano(sumsBy(samples, "gateway_cost_usd_total", ["backend"]))).toEqual({ a: 10_400_000, b: own });
  expect(nano(sumsBy(samples, "gateway_cost_usd_total", ["type"], { backend: "a" }))).toEqual({
    input: 10_000_000,
    output: 400_000,
  });
  expect(nano(sumsBy(samples, "gateway_feature_cost_usd_total", ["feature"]))).toEqual({ search: 10_400_000 + own });
  expect(realUse(exchange, { tokens: 1, nanoUsd: 1 })).toEqual({
    tokens: 1_040 + usage.input + usage.output,
    nanoUsd: 10_400_000 + own,
  });
  await stage.tollgate.close();
  const [line = "{}"] = stage.tollgate.lines;
  expect(JSON.parse(line)).toMatchObject({
    cost_nano_usd: own,
    discarded_usd: 0.0104,
    discarded_nano_usd: 10_400_000,
  });
});

test("where nothing answered in its place, what was discarded counts once, and nothing that was only reserved", async () => {
  await using stage = await routedScene({
    places: { a: { script: [failing(chunk({ usage: stated }))] }, b: { refuses: true } },
    routes: [{ model, targets: ["a", "b"] }],
    config: { prices: [price("a", 10), price("b", 1)] },
  });
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request));
  expect(exchange.outcome.kind).toBe("failed");
  expect(realUse(exchange, { tokens: 5_000, nanoUsd: 7_000_000 })).toEqual({ tokens: 1_040, nanoUsd: 10_400_000 });
});

test("of an answer that was discarded and stated no usage none is known, rather than 0", async () => {
  await using stage = await scene(["a", "b"]);
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request));
  expect(tries(exchange)).toEqual(["a upstream_status", "b completed"]);
  for (const name of ["tokens", "served", "cost"]) expect(exchange.attempts[0]).not.toHaveProperty(name);
  await stage.tollgate.close();
  expect(stage.tollgate.lines.join("")).not.toContain("discarded");
});

test("where nothing was asked after it, its usage is the exchange's, and not told twice", async () => {
  await using stage = await scene(["a"], chunk({ usage: stated }));
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", request));
  expect(exchange.outcome.kind).toBe("failed");
  expect(exchange).toMatchObject({ tokens: { input: 1_000, output: 40 }, cost: { nanoUsd: 10_400_000 } });
  expect(exchange.attempts[0]).not.toHaveProperty("tokens");
});
