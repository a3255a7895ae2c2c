// Responses that are made in the background: what they have used is counted once, when it is stated, whoever asks how often.
import { describe, expect, test, vi } from "vitest";
import { eventStream, json } from "../testing/answers.ts";
import { metricsOf } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { sumsBy } from "../testing/metrics-text.ts";
import { event } from "../testing/payloads.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { routedScene } from "../testing/routed-scene.ts";
import { type Scene, scene } from "../testing/scene.ts";
import { Unfinished } from "./unfinished.ts";

const model = "gpt-4o-mini";
const served = "gpt-4o-mini-2024-07-18";
const usage = { input_tokens: 1_000, output_tokens: 2_000, total_tokens: 3_000 };
/** 1,000 × 0.15 + 2,000 × 0.60 USD a million, in nano-USD. */
const cost = 1_350_000;

const response = (status: string, more: object = {}) => ({
  id: "resp_1",
  object: "response",
  background: true,
  model: served,
  status,
  output: [],
  usage: null,
  ...more,
});
const queued = json(response("queued"));
const working = json(response("in_progress"));
const finished = json(response("completed", { usage }));
const request = { model, input: "Think about it.", background: true };

const create = (stage: Scene, more: object = {}) => stage.post("/responses", { ...request, ...more });
const look = (stage: Scene, path = "/responses/resp_1") => stage.ask(path, { method: "GET" });

/** The records of all that was asked, in its order. */
async function recordsOf(stage: Scene, ...asked: readonly (() => Promise<unknown>)[]) {
  for (const [at, ask] of asked.entries()) {
    await ask();
    await stage.tollgate.settled(at + 1);
  }
  return stage.tollgate.exchanges;
}

test("their usage is not known at first, and belongs to the request in whose answer it is stated", async () => {
  await using stage = await scene({ script: [queued, working, finished, finished] });
  const poll = () => look(stage);
  const [begun, early, late, again] = await recordsOf(stage, () => create(stage), poll, poll, poll);
  expect(begun).toMatchObject({
    operation: "response",
    responseId: "resp_1",
    usageSource: "missing",
    outcome: { kind: "completed", finish: "queued" },
  });
  expect(late).toMatchObject({
    operation: "stored_response",
    responseId: "resp_1",
    model: { requested: model, served },
    tokens: { input: 1_000, output: 2_000 },
    usageSource: "provider",
    cost: { status: "exact", nanoUsd: cost },
    outcome: { kind: "completed", status: 200 },
  });
  for (const name of ["tokens", "cost"]) expect(begun).not.toHaveProperty(name);
  for (const name of ["tokens", "cost", "usageSource", "responseId"]) {
    expect(early).not.toHaveProperty(name);
    expect(again).not.toHaveProperty(name);
  }
  const samples = await metricsOf(stage.tollgate);
  expect(sumsBy(samples, "token_spend_total", ["type"], { model })).toEqual({ input: 1_000, output: 2_000 });
  expect(sumsBy(samples, "gen_ai_client_token_usage_sum", ["gen_ai_token_type"])).toEqual({
    input: 1_000,
    output: 2_000,
  });
  expect(sumsBy(samples, "gen_ai_client_operation_duration_seconds_count", [])).toEqual({ "": 1 });
  expect(sumsBy(samples, "generation_success_total", ["type"], { model })).toEqual({ response: 1 });
  await stage.tollgate.close();
  const lines = stage.tollgate.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.map(({ response_id, cost_nano_usd }) => [response_id, cost_nano_usd])).toEqual([
    ["resp_1", undefined],
    [undefined, undefined],
    ["resp_1", cost],
    [undefined, undefined],
  ]);
});

test("many who ask at once count it once", async () => {
  await using stage = await scene({ script: [queued], fake: { otherwise: finished } });
  await create(stage);
  await Promise.all(Array.from({ length: 20 }, () => look(stage)));
  const exchanges = await stage.tollgate.settled(21);
  expect(exchanges.filter(({ tokens }) => tokens !== undefined)).toHaveLength(1);
});

test("a cancelled one has used what its cancellation states", async () => {
  const cancelled = json(response("cancelled", { usage }));
  await using stage = await scene({ script: [queued, cancelled] });
  const [, late] = await recordsOf(
    stage,
    () => create(stage),
    () => stage.post("/responses/resp_1/cancel", {}),
  );
  expect(late).toMatchObject({ tokens: { input: 1_000, output: 2_000 }, outcome: { kind: "completed" } });
});

test("one that failed is no failure of who looks at it, and what it used counts", async () => {
  const failed = json(response("failed", { usage, error: { code: "server_error", message: "it broke" } }));
  await using stage = await scene({ script: [queued, failed] });
  const [, late] = await recordsOf(
    stage,
    () => create(stage),
    () => look(stage),
  );
  expect(late).toMatchObject({ tokens: { output: 2_000 }, outcome: { kind: "completed", status: 200 } });
});

test("a look that fails says why, and the next one counts", async () => {
  const away = json({ error: { message: "come back later", type: "server_error" } }, { status: 500 });
  await using stage = await scene({ script: [queued, away, finished] });
  const poll = () => look(stage);
  const [, failed, late] = await recordsOf(stage, () => create(stage), poll, poll);
  expect(failed).toMatchObject({ outcome: { kind: "failed", status: 500, message: "come back later" } });
  expect(late).toMatchObject({ tokens: { input: 1_000 } });
});

describe("streamed", () => {
  const said = (type: string, status: string, more: object = {}) => event({ type, response: response(status, more) });
  const begins = [
    said("response.created", "queued"),
    said("response.in_progress", "in_progress"),
    ...Array.from({ length: 100 }, () => event({ type: "response.output_text.delta", delta: "so " })),
  ];
  const ends = said("response.completed", "completed", { usage });
  const stream = { stream: true };

  test("and followed to its end, it is whole", async () => {
    await using stage = await scene({ script: [eventStream([...begins, ends]), finished] });
    const [whole, after] = await recordsOf(
      stage,
      () => create(stage, stream),
      () => look(stage),
    );
    expect(whole).toMatchObject({ tokens: { output: 2_000 }, usageSource: "provider" });
    expect(whole).not.toHaveProperty("responseId");
    expect(after).not.toHaveProperty("tokens");
  });

  test("and broken off, its usage is counted when somebody looks", async () => {
    const cut = eventStream(begins, { end: "reset" });
    await using stage = await scene({ script: [cut, finished] });
    const [broken, late] = await recordsOf(
      stage,
      () => create(stage, stream).catch(() => {}),
      () => look(stage),
    );
    expect(broken).toMatchObject({ responseId: "resp_1", usageSource: "missing", outcome: { kind: "failed" } });
    expect(broken).not.toHaveProperty("tokens");
    expect(late).toMatchObject({ responseId: "resp_1", tokens: { output: 2_000 } });
  });

  test.each([
    ["small", 1_000],
    ["large", 70_000],
    ["larger", 200_000],
  ])("and broken off, however it began: %s", async (_, size) => {
    const first = said("response.created", "queued", { instructions: "x".repeat(size) });
    const halves = [first.slice(0, size / 2), first.slice(size / 2)];
    const cut = eventStream([...halves, ...begins.slice(2)], { end: "unterminated" });
    await using stage = await scene({ script: [cut, finished] });
    const [broken, late] = await recordsOf(
      stage,
      () => create(stage, stream).catch(() => {}),
      () => look(stage),
    );
    expect(broken).toMatchObject({ responseId: "resp_1", usageSource: "missing" });
    expect(late).toMatchObject({ tokens: { output: 2_000 } });
  });

  test("and ended by its mark before it is finished, too", async () => {
    await using stage = await scene({ script: [eventStream([...begins, "data: [DONE]\n\n"]), finished] });
    const [begun, late] = await recordsOf(
      stage,
      () => create(stage, stream),
      () => look(stage),
    );
    expect(begun).toMatchObject({ usageSource: "missing" });
    expect(late).toMatchObject({ tokens: { output: 2_000 } });
  });

  test("and taken up again as a stream, too", async () => {
    await using stage = await scene({ script: [queued, eventStream([...begins, ends])] });
    const [, late] = await recordsOf(
      stage,
      () => create(stage),
      () => look(stage, "/responses/resp_1?stream=true"),
    );
    expect(late).toMatchObject({ tokens: { output: 2_000 }, usageSource: "provider" });
  });
});

test("what was used so far counts with all the rest, when that is stated", async () => {
  const part = { input_tokens: 1_000, output_tokens: 10, total_tokens: 1_010 };
  await using stage = await scene({ script: [json(response("in_progress", { usage: part })), finished] });
  const [begun, late] = await recordsOf(
    stage,
    () => create(stage),
    () => look(stage),
  );
  expect(begun).not.toHaveProperty("tokens");
  expect(late).toMatchObject({ tokens: { input: 1_000, output: 2_000 } });
});

test("a route's own name for the model finds the price that it finds for any other response", async () => {
  const at = (id: string) => ({ id, model: "/weights/v1" });
  await using stage = await routedScene({
    places: {
      a: {
        script: [
          json(response("completed", { ...at("resp_0"), background: false, usage })),
          json(response("queued", at("resp_1"))),
          json(response("completed", { ...at("resp_1"), usage })),
        ],
      },
    },
    routes: [{ model: "fast", targets: [{ backend: "a", model: "deployment-7" }] }],
    config: { prices: [{ model: "deployment-7", inputPerMillion: 10, outputPerMillion: 20, origin: "config: own" }] },
  });
  const post = (more: object) => stage.post("/responses", { model: "fast", input: "?", ...more });
  await post({});
  await post({ background: true });
  await stage.tollgate.settled(2);
  await rawRequest(`${stage.tollgate.url}/responses/resp_1`, { method: "GET" });
  const [direct, , late] = await stage.tollgate.settled(3);
  expect(late?.cost).toMatchObject({ status: "custom", nanoUsd: 50_000_000, price: "config: own" });
  expect(late?.cost).toEqual(direct?.cost);
});

test("two backends may give the same id", async () => {
  await using stage = await routedScene({
    places: { a: { script: [queued, finished] }, b: { script: [queued] } },
    routes: [
      { model: "ma", targets: ["a"] },
      { model: "mb", targets: ["b"] },
    ],
  });
  for (const [count, name] of ["ma", "mb"].entries()) {
    await stage.post("/responses", { ...request, model: name });
    await stage.tollgate.settled(count + 1);
  }
  const got = await rawRequest(`${stage.tollgate.url}/responses/resp_1`, { method: "GET" });
  const late = (await stage.tollgate.settled(3))[2];
  expect([got.header("x-tollgate-backend"), late?.model.requested, late?.tokens?.output]).toEqual(["a", "ma", 2_000]);
});

test("what is too long to be an id is none", async () => {
  const id = "r".repeat(50_000);
  await using stage = await scene({ script: [json(response("queued", { id }))] });
  await create(stage);
  expect(await stage.onlyExchange()).not.toHaveProperty("responseId");
});

test("a response that nobody asked to be made in the background is estimated where it states no usage", async () => {
  const content = [{ type: "output_text", text: "hello ".repeat(50) }];
  await using stage = await scene({
    script: [json(response("in_progress", { output: [{ type: "message", content }] }))],
  });
  await create(stage, { background: false });
  const exchange = await stage.onlyExchange();
  expect(exchange).toMatchObject({ usageSource: "estimated" });
  expect(exchange).not.toHaveProperty("responseId");
});

test("a response that is not made in the background was counted when it was made", async () => {
  const whole = { ...response("completed", { usage }), background: false };
  await using stage = await scene({ script: [json(whole), json(whole)] });
  const [made, after] = await recordsOf(
    stage,
    () => create(stage, { background: false }),
    () => look(stage),
  );
  expect(made).toMatchObject({ tokens: { output: 2_000 } });
  expect(after).not.toHaveProperty("tokens");
});

test("a look has its record, whatever goes wrong with what it may tell", async () => {
  class Broken extends Unfinished {
    override claim(): Promise<never> {
      return Promise.reject(new Error("a bug of ours"));
    }
  }
  await using stage = await scene({ script: [finished], admitting: { unfinished: new Broken({ failed() {} }) } });
  expect((await look(stage)).status).toBe(200);
  const exchange = await stage.onlyExchange();
  expect(exchange).toMatchObject({ outcome: { kind: "completed", status: 200 } });
  expect(exchange).not.toHaveProperty("tokens");
});

test("the place of a look is free when it is answered, however long it takes to know whose usage that was", async () => {
  const asked = Promise.withResolvers<void>();
  const slow = new Unfinished({ store: { write() {}, take: () => asked.promise.then(() => undefined) }, failed() {} });
  const keys = keyRing();
  const secret = keys.add("k1", { limits: { concurrent: 1 }, grants: ["stored_responses"] });
  const bearer = ["Authorization", `Bearer ${secret}`] as const;
  const whole = { ...response("completed", { usage }), background: false };
  const script = [json(whole), json(whole), json(whole)];
  await using stage = await scene({ script, admitting: { keys, unfinished: slow } });
  const ask = (method: string, path: string, body?: string) =>
    stage.ask(path, { method, headers: [bearer, ["Content-Type", "application/json"]], ...(body && { body }) });
  await ask("POST", "/responses", JSON.stringify({ model, input: "?" }));
  await stage.tollgate.settled(1);
  const looks = [await ask("GET", "/responses/resp_1"), await ask("GET", "/responses/resp_1")];
  expect(looks.map(({ status }) => status)).toEqual([200, 200]);
  asked.resolve();
});

describe("of a key with a budget", () => {
  const budgets = [{ period: "month", usd: 1, softRatio: 0.8, hard: true }] as const;
  const limits = { tokensPerDay: 1_000_000 };

  async function stageOf(script: Parameters<typeof scene>[0]) {
    const keys = keyRing();
    const secret = keys.add("k1", { budgets, limits, grants: ["stored_responses"] });
    const stage = await scene({ ...script, admitting: { keys } });
    const bearer = ["Authorization", `Bearer ${secret}`] as const;
    const used = async () => {
      const standing = await stage.tollgate.allowance.standing();
      const of = (counted: string) => standing.find(({ rule }) => rule.counted === counted)?.used;
      return { tokens: of("tokens"), nanoUsd: of("money") };
    };
    return {
      stage,
      used,
      begin: (more: object = {}) => stage.post("/responses", { ...request, ...more }, [bearer]),
      look: () => stage.ask("/responses/resp_1", { method: "GET", headers: [bearer] }),
    };
  }

  test("what was reserved counts until it is known, and then what was used", async () => {
    const { stage, used, begin, look: ask } = await stageOf({ script: [queued, working, finished, finished] });
    await using _ = stage;
    await begin({ max_output_tokens: 100_000 });
    await stage.tollgate.settled(1);
    const reserved = await used();
    expect(reserved.tokens).toBeGreaterThan(100_000);
    expect(reserved.nanoUsd).toBeGreaterThan(60_000_000);
    await ask();
    await stage.tollgate.settled(2);
    expect(await used()).toEqual(reserved);
    for (const count of [3, 4]) {
      await ask();
      await stage.tollgate.settled(count);
      expect(await used()).toEqual({ tokens: 3_000, nanoUsd: cost });
    }
  });

  test.each([
    ["states usage of 0 at first", {}, { usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0 } }, cost],
    [
      "is charged by the hour",
      { prices: [{ model: "*", perHour: 1, inputPerMillion: 1, origin: "x" }] },
      {},
      1_000_000,
    ],
  ])("a backend that %s counts as reserved, and then as used", async (_, config, first, least) => {
    const script = [json(response("queued", first)), finished];
    const { stage, used, begin, look: ask } = await stageOf({ config, script });
    await using _stage = stage;
    await begin({ max_output_tokens: 100_000 });
    await stage.tollgate.settled(1);
    expect((await used()).tokens).toBeGreaterThan(100_000);
    await ask();
    await stage.tollgate.settled(2);
    const { tokens, nanoUsd = 0 } = await used();
    expect(tokens).toBe(3_000);
    // By the hour, the request's own milliseconds count besides.
    expect(Math.round(nanoUsd / 100_000)).toBeGreaterThanOrEqual(Math.round(least / 100_000));
  });

  test("by the hour, the budget holds what the records say", async () => {
    const prices = [{ model: "*", perHour: 1_000, inputPerMillion: 1, outputPerMillion: 2, origin: "config: own" }];
    const { stage, used, begin, look: ask } = await stageOf({ config: { prices }, script: [queued, finished] });
    await using _ = stage;
    await begin();
    await stage.tollgate.settled(1);
    await ask();
    const exchanges = await stage.tollgate.settled(2);
    const costs = exchanges.map((exchange) =>
      exchange.cost && "nanoUsd" in exchange.cost ? exchange.cost.nanoUsd : 0,
    );
    expect((await used()).nanoUsd).toBe(costs.reduce((sum, one) => sum + one, 0));
  });

  test("more than was reserved counts, too", async () => {
    const { stage, used, begin, look: ask } = await stageOf({ script: [queued, finished] });
    await using _ = stage;
    await begin({ max_output_tokens: 1 });
    await stage.tollgate.settled(1);
    expect((await used()).nanoUsd).toBeLessThan(cost);
    await ask();
    await stage.tollgate.settled(2);
    await vi.waitFor(async () => expect(await used()).toEqual({ tokens: 3_000, nanoUsd: cost }));
  });
});
