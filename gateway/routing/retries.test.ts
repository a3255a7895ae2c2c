// When a request goes round again, how long it waits for that, and what ends the waiting.
import { createServer } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { errorAnswer, eventStream, json, silence } from "../testing/answers.ts";
import { good, goodBody, usage } from "../testing/good-backend.ts";
import { sumsBy } from "../testing/metrics-text.ts";
import { chatCompletion, chatEvents, chatRequest } from "../testing/payloads.ts";
import { rawRequest } from "../testing/raw-client.ts";
import { type Place, type RoutedScene, routedScene, tries } from "../testing/routed-scene.ts";
import type { Answer } from "../testing/turn.ts";

const model = "alias";
const plain = chatRequest(model);
const streamed = chatRequest(model, { stream: true });
const events = chatEvents({ model: "served", usage });
const abandoned = { kind: "abandoned", status: 499 };
const noLuck = errorAnswer(503, "no luck");
const limited = (name: string, value: string) => errorAnswer(429, "no luck", { headers: [[name, value]] });

/** One route over these backends, in this order, which goes round once more. */
const over = (places: Readonly<Record<string, Place>>, retries = { max: 1, backoff: 0.01, maxBackoff: 3 }) =>
  routedScene({ places, routes: [{ model, targets: Object.keys(places), retries }] });

describe("what a backend asks for by Retry-After is waited in full", () => {
  const nextSecond: Answer = (turn) =>
    limited("Retry-After", new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toUTCString())(turn);
  test.concurrent.each<[string, Answer, number]>([
    ["in seconds", limited("Retry-After", "1"), 1],
    ["in milliseconds", limited("retry-after-ms", "300"), 0.3],
    ["as a date", nextSecond, 1],
    ["by a 503 as well", errorAnswer(503, "no luck", { headers: [["Retry-After", "0.3"]] }), 0.3],
  ])("%s", async (_, first, seconds) => {
    await using stage = await over({ a: { script: [first], otherwise: good("a") } });
    const got = await stage.post("/chat/completions", plain);
    expect(got.text).toBe(goodBody("a", "json"));
    const [before, after] = stage.place("a").received;
    expect(((after?.arrivedAt ?? 0) - (before?.endedAt ?? 0)) / 1000).toBeGreaterThan(seconds - 0.01);
    expect((await stage.exchangeOf(got)).phases.backoff).toBeGreaterThan(seconds - 0.01);
  });

  test("by the one that asked: the others are not kept waiting by it, nor is it asked before its time", async () => {
    await using stage = await over({
      a: { script: [limited("Retry-After", "60")] },
      b: { script: [noLuck], otherwise: good("b") },
    });
    const got = await stage.post("/chat/completions", plain);
    expect(got.text).toBe(goodBody("b", "json"));
    const exchange = await stage.onlyExchange();
    expect(tries(exchange)).toEqual(["a upstream_limited", "b upstream_status", "b completed"]);
    expect(exchange.totalSeconds).toBeLessThan(2);
  });

  test("the shortest of all decides when it goes on, and who is asked then", async () => {
    await using stage = await over({
      a: { script: [limited("retry-after-ms", "60000")] },
      b: { script: [limited("retry-after-ms", "200")], otherwise: good("b") },
    });
    const exchange = await stage.exchangeOf(await stage.post("/chat/completions", plain));
    expect(tries(exchange)).toEqual(["a upstream_limited", "b upstream_limited", "b completed"]);
    expect(exchange.phases.backoff).toBeGreaterThan(0.19);
    expect(exchange.phases.backoff).toBeLessThan(5);
  });
});

test("each wait is longer than the one before; what is not asked for stays under the longest", async () => {
  await using stage = await over({ a: { otherwise: noLuck } }, { max: 4, backoff: 0.04, maxBackoff: 0.1 });
  const exchange = await stage.exchangeOf(await stage.post("/chat/completions", plain));
  const arrivals = stage.place("a").received.map(({ arrivedAt }) => arrivedAt);
  const waits = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0));
  expect(waits).toHaveLength(4);
  for (const [index, least] of [20, 40, 50, 50].entries()) expect(waits[index]).toBeGreaterThan(least - 1);
  // Four waits of at most 40, 80, 100, 100 ms: each is a part of the one phase.
  expect(exchange.phases.backoff).toBeGreaterThan(0.158);
  const text = (await stage.metrics()).find(
    ({ name, labels }) => name === "gateway_request_phase_seconds_sum" && labels.phase === "backoff",
  );
  expect(text?.value).toBeCloseTo(exchange.phases.backoff, 6);
});

/** Then a request is let through to see, after a second. */
const opensSoon = { failures: 3, ratio: 0, minRequests: 20, window: 30, openFor: 1, halfOpen: 1 };

test("a backend that was gone is found again when it comes back", async () => {
  await using stage = await over(
    { a: { refuses: true, otherwise: good("a"), backend: { breaker: opensSoon } } },
    { max: 10, backoff: 0.4, maxBackoff: 0.4 },
  );
  const asked = stage.post("/chat/completions", plain);
  await vi.waitFor(
    async () => {
      const health = await rawRequest(`${stage.tollgate.opsUrl}/health`, { method: "GET" });
      expect(health.json()).toMatchObject({ services: { a: false } });
    },
    { timeout: 5_000 },
  );
  await stage.place("a").listen();
  const got = await asked;
  expect(got.text).toBe(goodBody("a", "json"));
  const [last, ...before] = tries(await stage.exchangeOf(got)).toReversed();
  expect(last).toBe("a completed");
  // Past the third the breaker lets none through for a while.
  expect(before).toHaveLength(3);
  for (const one of before) expect(one).toBe("a unreachable");
});

/** Resolves when the gateway waits between two rounds: the request is open, and no backend has it. */
async function inBackoff(stage: RoutedScene): Promise<void> {
  await (await stage.place("a").request(0)).ended;
  await vi.waitFor(async () => {
    expect(stage.tollgate.gateway.open).toBe(1);
    expect(sumsBy(await stage.metrics(), "gateway_backend_inflight", [])).toEqual({});
  });
}

const longWait = { max: 3, backoff: 60, maxBackoff: 60 };

describe("a client that leaves", () => {
  test.each(["leave", "reset"] as const)(
    "between two rounds (%s) ends the waiting, and nobody is asked",
    async (way) => {
      await using stage = await over({ a: { script: [noLuck] } }, longWait);
      const connection = await stage.begin("/chat/completions", plain);
      await inBackoff(stage);
      connection[way]();
      const exchange = await stage.onlyExchange();
      expect(exchange.outcome).toEqual(abandoned);
      expect(tries(exchange)).toEqual(["a upstream_status"]);
      expect(exchange.phases.backoff).toBeGreaterThan(0);
    },
  );

  test("while the head is withheld: the backend is let go, and no other is asked", async () => {
    await using stage = await over({ a: { script: [eventStream([events[0] ?? ""], { end: "stall" })] }, b: {} });
    const connection = await stage.begin("/chat/completions", streamed);
    const request = await stage.place("a").request(0);
    await vi.waitFor(() => expect(request.bytesSent).toBeGreaterThan(0));
    connection.leave();
    expect(await request.ended).toBe("left");
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ outcome: abandoned, bytes: { response: 0 } });
    expect(tries(exchange)).toEqual(["a abandoned"]);
  });

  test("while the fallback thinks: that one is let go", async () => {
    await using stage = await over({ a: { script: [noLuck] }, b: { script: [silence] } });
    const connection = await stage.begin("/chat/completions", streamed);
    const request = await stage.place("b").request(0);
    connection.leave();
    expect(await request.ended).toBe("left");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual(abandoned);
    expect(tries(exchange)).toEqual(["a upstream_status", "b abandoned"]);
  });

  test.each<[string, (left: Promise<unknown>) => Answer, string]>([
    ["an error", (left) => errorAnswer(500, "no luck", { delay: left }), "upstream_status"],
    [
      "no answer at all",
      (left) => async (turn) => {
        await turn.request.readBody();
        await turn.wait(left);
        await turn.reset();
      },
      "unreachable",
    ],
    ["a stream that breaks off", (left) => eventStream([events[0] ?? "", left], { end: "reset" }), "broken_stream"],
    ["an error event", (left) => eventStream([left, 'data: {"error":{"message":"no luck"}}\n\n']), "completed"],
  ])(
    "before %s of a backend that is drained: nobody else is asked for a client that is gone",
    async (_, answer, reason) => {
      const { promise: left, resolve } = Promise.withResolvers<void>();
      const drained = { onClientAbort: "drain" } as const;
      await using stage = await over({ a: { script: [answer(left)], backend: drained }, b: { backend: drained } });
      const connection = await stage.begin("/chat/completions", streamed);
      const request = await stage.place("a").request(0);
      connection.leave();
      await vi.waitFor(() => expect(connection.socket.destroyed).toBe(true));
      // The gateway's own loop has seen it once it answers another client that came after.
      await rawRequest(`${stage.tollgate.opsUrl}/health`, { method: "GET" });
      resolve();
      await request.ended;
      const exchange = await stage.onlyExchange();
      expect(exchange.outcome).toEqual(abandoned);
      expect(tries(exchange)).toEqual([`a ${reason}`]);
      expect(stage.place("b").received).toEqual([]);
    },
  );

  test("a withheld answer that is drained leaves exact usage behind", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    const [role = "", ...rest] = events;
    const script = [eventStream([role, left, ...rest])];
    await using stage = await over({ a: { script, backend: { onClientAbort: "drain" } }, b: {} });
    const connection = await stage.begin("/chat/completions", streamed);
    const request = await stage.place("a").request(0);
    await vi.waitFor(() => expect(request.bytesSent).toBeGreaterThan(0));
    connection.leave();
    await vi.waitFor(() => expect(connection.socket.destroyed).toBe(true));
    resolve();
    expect(await request.ended).toBe("answered");
    expect(await stage.onlyExchange()).toMatchObject({ outcome: abandoned, tokens: usage, usageSource: "provider" });
  });
});

test("a gateway that goes down ends the waiting, and says so", async () => {
  await using stage = await routedScene({
    places: { a: { script: [noLuck] } },
    routes: [{ model, targets: ["a"], retries: longWait }],
    config: { shutdownSeconds: 0.05 },
  });
  const connection = await stage.begin("/chat/completions", plain);
  const answer = connection.answer();
  await inBackoff(stage);
  await stage.tollgate.close();
  const got = await answer;
  expect([got.status, got.json()]).toMatchObject([503, { error: { code: "shutting_down" } }]);
  const exchange = await stage.onlyExchange();
  expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "shutting_down", status: 503 });
  expect(tries(exchange)).toEqual(["a upstream_status"]);
  connection.leave();
});

describe("a target's own timeouts", () => {
  test("for its connection is shorter than the backend's: the next one is asked", async () => {
    // Takes connections, and never says a word of TLS.
    const mute = createServer().listen(0, "127.0.0.1");
    try {
      await vi.waitFor(() => expect(mute.address()).not.toBeNull());
      const address = mute.address();
      const port = typeof address === "object" ? address?.port : undefined;
      await using stage = await routedScene({
        places: { a: { backend: { baseUrl: `https://127.0.0.1:${port}/v1` } }, b: { otherwise: good("b") } },
        routes: [
          { model, targets: [{ backend: "a", timeouts: { connect: 0.1 } }, "b"] },
          { model: "alone", targets: [{ backend: "a", timeouts: { connect: 0.1 } }] },
        ],
      });
      const got = await stage.post("/chat/completions", plain);
      expect(got.text).toBe(goodBody("b", "json"));
      expect(tries(await stage.exchangeOf(got))).toEqual(["a timeout", "b completed"]);
      const alone = await stage.post("/chat/completions", chatRequest("alone"));
      expect([alone.status, alone.json()]).toMatchObject([504, { error: { code: "backend_connect_timeout" } }]);
    } finally {
      mute.close();
    }
  });

  test("may be longer than the backend's", async () => {
    const begin = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const timeouts = { connect: 5, firstByte: 0.1, idle: 0.1, total: 0 };
    const body = [" ", goOn.promise, JSON.stringify(chatCompletion("served", usage))];
    const script = [
      json(undefined, { delay: begin.promise, body }),
      silence,
      json(undefined, { body: [" "], end: "stall" }),
    ];
    await using stage = await routedScene({
      places: { a: { script, backend: { timeouts } } },
      routes: [
        { model, targets: [{ backend: "a", timeouts: { firstByte: 60, idle: 60 } }] },
        { model: "usual", targets: ["a"] },
      ],
    });
    const patient = stage.post("/chat/completions", plain);
    await stage.place("a").request(0);
    // Those under the backend's own run out meanwhile.
    expect((await stage.post("/chat/completions", chatRequest("usual"))).status).toBe(504);
    begin.resolve();
    expect((await stage.post("/chat/completions", chatRequest("usual"))).ended).toBe("fin");
    goOn.resolve();
    expect(await patient).toMatchObject({ status: 200, ended: "complete" });
  });
});
