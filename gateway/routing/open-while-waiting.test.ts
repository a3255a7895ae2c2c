// Requests that wait for their turn at a backend while its breaker opens.
import { expect, test } from "vitest";
import { errorAnswer, silence } from "../testing/answers.ts";
import { good } from "../testing/good-backend.ts";
import { backendAt, testConfig } from "../testing/harness.ts";
import { chatRequest } from "../testing/payloads.ts";
import { type Place, type RoutedScene, routedScene, tries } from "../testing/routed-scene.ts";

const model = "alias";
const breaker = { failures: 1, ratio: 0, minRequests: 20, window: 30, openFor: 60, halfOpen: 1 };
const queue = { size: 10, timeout: 60 };

/** Backend `a` fails once that is wanted; `others` are its fallbacks. */
async function failing(others: Readonly<Record<string, Place>>, a: Place["backend"] = {}) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const failure = errorAnswer(503, "no luck", { delay: promise });
  const stage = await routedScene({
    places: {
      a: { script: [failure], otherwise: good("a"), backend: { breaker, queue, maxConcurrent: 1, ...a } },
      ...others,
    },
    routes: [{ model, targets: ["a", ...Object.keys(others)].map((backend) => ({ backend, model: `at-${backend}` })) }],
  });
  return { stage, fail: resolve };
}

const ask = (stage: RoutedScene) => stage.post("/chat/completions", chatRequest(model));
const gauge = async (stage: RoutedScene, wanted: string, state?: string): Promise<number | undefined> =>
  (await stage.metrics()).find(({ name, labels }) => name === wanted && labels.state === state)?.value;
const depth = (stage: RoutedScene) => expect.poll(() => gauge(stage, "gateway_queue_depth"), { timeout: 5_000 });

test("they go to the fallback, and the backend is left alone", async () => {
  const { stage, fail } = await failing({ b: { otherwise: good("b") } });
  await using _ = stage;
  const asked = [ask(stage)];
  await stage.place("a").request(0);
  asked.push(ask(stage), ask(stage));
  await depth(stage).toBe(2);
  fail();
  const answers = await Promise.all(asked);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(stage.place("a").received).toHaveLength(1);
  const [first, ...waited] = await Promise.all(answers.map(stage.exchangeOf));
  expect(first && tries(first)).toEqual(["a upstream_status", "b completed"]);
  expect(waited.map(tries)).toEqual([["b completed"], ["b completed"]]);
});

test("without a fallback they are told when to come again", async () => {
  const { stage, fail } = await failing({});
  await using _ = stage;
  const first = ask(stage);
  await stage.place("a").request(0);
  const waiting = ask(stage);
  await depth(stage).toBe(1);
  fail();
  expect((await first).status).toBe(503);
  const refused = await waiting;
  expect([refused.status, refused.header("retry-after")]).toEqual([503, "60"]);
  expect(refused.json()).toMatchObject({ error: { code: "no_backend_up" } });
  expect(await stage.exchangeOf(refused)).toMatchObject({
    outcome: { kind: "failed", reason: "no_backend_up" },
    attempts: [],
  });
  expect(stage.place("a").received).toHaveLength(1);
  expect(await gauge(stage, "gateway_backend_inflight")).toBe(0);
});

test("who waits with a trial's place goes", async () => {
  const trials = { ...breaker, openFor: 0.05, halfOpen: 2 };
  const { stage, fail } = await failing({}, { breaker: trials, maxConcurrent: 2 });
  await using _ = stage;
  stage.place("a").next(silence, silence);
  const first = ask(stage);
  await stage.place("a").request(0);
  const second = await stage.begin("/chat/completions", chatRequest(model));
  await stage.place("a").request(1);
  fail();
  await first;
  await expect.poll(() => gauge(stage, "gateway_backend_breaker_state", "half_open")).toBe(1);
  const trial = await stage.begin("/chat/completions", chatRequest(model));
  await stage.place("a").request(2);
  const waiting = ask(stage);
  await depth(stage).toBe(1);
  second.leave();
  expect((await waiting).status).toBe(200);
  trial.leave();
});

test("those who wait for a backend that is taken out of the configuration are served", async () => {
  const { stage, fail } = await failing({ b: { otherwise: good("b") } });
  await using _ = stage;
  const first = ask(stage);
  await stage.place("a").request(0);
  const waiting = ask(stage);
  await depth(stage).toBe(1);
  const b = backendAt(stage.place("b").origin, { name: "b" });
  stage.tollgate.gateway.reload(testConfig({ backends: [b], defaultBackend: "b" }));
  fail();
  expect((await waiting).header("x-tollgate-backend")).toBe("a");
  await first;
});
