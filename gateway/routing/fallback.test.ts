// What a fallback is and is not: when an answer counts as one, what is withheld until then, and whose bytes a client gets.
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { answer, errorAnswer, eventStream, hangUp, json, withoutStreamOptions } from "../testing/answers.ts";
import { good, goodBody, usage } from "../testing/good-backend.ts";
import { sumsBy } from "../testing/metrics-text.ts";
import { chatCompletion, chatEvents, chatRequest, event, withoutUsageChunk } from "../testing/payloads.ts";
import { type RawConnection, rawRequest } from "../testing/raw-client.ts";
import { type Place, type RoutedOptions, routedScene, tries } from "../testing/routed-scene.ts";

const model = "alias";
const events = chatEvents({ model: "served", usage, words: ["One ", "word ", "more"] });
const visible = withoutUsageChunk(events);
const streamed = chatRequest(model, { stream: true });
const asked = chatRequest(model, { stream: true, stream_options: { include_usage: true } });

/** Two backends, the second one good. */
const two = (first: Place, second: Place = { otherwise: good("b") }, more: Partial<RoutedOptions> = {}) =>
  routedScene({ places: { a: first, b: second }, routes: [{ model, targets: ["a", "b"] }], ...more });

/** The pieces of an answer's body until they make up this text. */
async function upTo(connection: RawConnection, text: string): Promise<void> {
  let got = "";
  while (got.length < text.length) {
    const piece = await connection.piece();
    if (piece === undefined) break;
    got += piece.toString();
  }
  expect(got).toBe(text);
}

describe("the head of a stream", () => {
  test.each([
    ["its first content came late", [eventStream([events[0] ?? "", 60, ...events.slice(1)])]],
    ["another had failed before", [eventStream([events[0] ?? "", 60], { end: "reset" })]],
  ])("says where the time went until it was sent, where %s", async (_, script) => {
    await using stage = await two({ script });
    const got = await stage.post("/chat/completions", streamed);
    const { firstTokenSeconds = 0 } = await stage.exchangeOf(got);
    const parts = (got.header("server-timing") ?? "").split(", ").map((part) => part.split(";dur="));
    expect(Object.fromEntries(parts)).toHaveProperty("stream");
    const told = parts.reduce((sum, [, millis]) => sum + Number(millis), 0);
    expect(told).toBeGreaterThan(55);
    expect(Math.abs(told - firstTokenSeconds * 1_000)).toBeLessThan(5);
  });

  test("is withheld while there is a fallback, and goes out with the first content, at once", async () => {
    const speak = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const [role = "", first = "", ...rest] = events;
    const script = [eventStream([role, speak.promise, first, end.promise, ...rest])];
    const routes = [
      { model, targets: ["a", "b"] },
      { model: "other", targets: ["b"] },
    ];
    await using stage = await two({ script }, undefined, { routes });
    const connection = await stage.begin("/chat/completions", streamed);
    let isThere = false;
    const head = connection.head().finally(() => {
      isThere = true;
    });
    // An answer of another request goes out meanwhile, so that this one had its time.
    await stage.place("a").request(0);
    for (let more = 0; more < 5; more += 1) await stage.post("/chat/completions", chatRequest("other"));
    expect(isThere).toBe(false);
    speak.resolve();
    expect((await head).header("x-tollgate-backend")).toBe("a");
    await upTo(connection, role + first);
    end.resolve();
    await upTo(connection, visible.slice(2).join(""));
    connection.leave();
  });

  test.each([
    ["there is no other target", { targets: ["a"] }],
    ["the other one takes clients' keys, and this is one", { targets: ["keyed", "other"] }],
  ])("goes out at once where %s", async (_, route) => {
    const end = Promise.withResolvers<void>();
    const [role = "", ...rest] = events;
    const script = [eventStream([role, end.promise, ...rest])];
    const keyed = { passClientKey: true, key: "" };
    await using stage = await routedScene({
      places: { a: { script }, keyed: { script, backend: keyed }, other: { backend: keyed } },
      routes: [{ model, ...route }],
    });
    const connection = await stage.begin("/chat/completions", streamed);
    await connection.head();
    await upTo(connection, role);
    end.resolve();
    await upTo(connection, visible.slice(1).join(""));
    connection.leave();
  });

  test("is let go where a beginning without content gets long", async () => {
    const end = Promise.withResolvers<void>();
    const pings = Array.from({ length: 70 }, () => `: ${"x".repeat(1_000)}\n\n`);
    await using stage = await two({ script: [eventStream([...pings, end.promise, ...events])] });
    const connection = await stage.begin("/chat/completions", asked);
    await connection.head();
    end.resolve();
    await upTo(connection, [...pings, ...events].join(""));
    connection.leave();
  });

  test("a sound's first byte goes out at once, too", async () => {
    const end = Promise.withResolvers<void>();
    const script = [answer({ headers: [["Content-Type", "audio/mpeg"]], body: ["sound", end.promise, "ing"] })];
    await using stage = await two({ script });
    const connection = await stage.begin("/audio/speech", { model, input: "Hello", voice: "alloy" });
    await connection.head();
    await upTo(connection, "sound");
    end.resolve();
    await upTo(connection, "ing");
    connection.leave();
  });
});

describe("a stream is an answer", () => {
  const empty = [event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }), event("[DONE]")];
  const calls = { tool_calls: [{ index: 0, id: "call_1", function: { name: "f", arguments: "{}" } }] };
  test.each([
    ["that ends in order with no content at all", empty, "completed"],
    ["of an end mark only", [event("[DONE]")], "completed"],
    [
      "with a tool's call in it, though it breaks off then",
      [event({ choices: [{ index: 0, delta: calls, finish_reason: null }] }), 20],
      "failed",
    ],
    [
      "with reasoning in it, though it breaks off then",
      [event({ choices: [{ index: 0, delta: { reasoning_content: "hm" }, finish_reason: null }] }), 20],
      "failed",
    ],
  ])("%s", async (_, body, kind) => {
    const end = kind === "failed" ? "reset" : "clean";
    await using stage = await two({ script: [eventStream(body, { end })] });
    const got = await stage.post("/chat/completions", asked);
    expect(got.text).toBe(body.filter((part) => typeof part === "string").join(""));
    expect(stage.place("b").received).toEqual([]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome.kind).toBe(kind);
    expect(exchange.attempts).toHaveLength(1);
  });

  test("of the Responses API, from its first text on: what only says that it began is none", async () => {
    const say = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
    const created = say("response.created", { response: { id: "resp_1", status: "in_progress" } });
    const text = say("response.output_text.delta", { delta: "Hi" });
    const done = say("response.completed", { response: { id: "resp_1", status: "completed" } });
    await using stage = await two(
      { script: [eventStream([created, 20], { end: "reset" }), eventStream([created, text, 20], { end: "reset" })] },
      { script: [eventStream([created, text, done])] },
    );
    const request = { model, input: "Hello", stream: true };
    const first = await stage.post("/responses", request);
    expect([first.text, first.ended]).toEqual([created + text + done, "complete"]);
    expect(tries(await stage.exchangeOf(first))).toEqual(["a broken_stream", "b completed"]);
    const second = await stage.post("/responses", request);
    expect([second.text, second.ended]).toEqual([created + text, "fin"]);
    expect(tries(await stage.exchangeOf(second))).toEqual(["a broken_stream"]);
  });
});

describe("compressed answers", () => {
  const packed = { headers: [["Content-Encoding", "gzip"]] as const };
  const whole = Buffer.from(JSON.stringify(chatCompletion("served", usage)));

  test("an error falls back, and the fallback's compressed answer passes as it is", async () => {
    const bytes = gzipSync(whole);
    await using stage = await two(
      { script: [answer({ status: 500, ...packed, body: gzipSync('{"error":{"message":"no luck"}}') })] },
      { script: [json(undefined, { ...packed, body: bytes })] },
    );
    const got = await stage.post("/chat/completions", chatRequest(model));
    expect(got.body.equals(bytes)).toBe(true);
    expect(got.header("content-encoding")).toBe("gzip");
    const exchange = await stage.onlyExchange();
    expect(tries(exchange)).toEqual(["a upstream_status", "b completed"]);
    expect(exchange).toMatchObject({ tokens: usage, usageSource: "provider" });
  });

  test("a stream is unpacked where usage was asked for by the gateway, after a fallback as well", async () => {
    await using stage = await two(
      { script: [hangUp("reset")] },
      { script: [eventStream([brotliCompressSync(events.join(""))], { headers: [["Content-Encoding", "br"]] })] },
    );
    const got = await stage.post("/chat/completions", streamed);
    expect(got.text).toBe(visible.join(""));
    expect(got.header("content-encoding")).toBeUndefined();
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ tokens: usage, usageSource: "provider" });
  });

  test("a request that came compressed goes to the fallback as it came, or plain where it is rewritten", async () => {
    const body = gzipSync(JSON.stringify(chatRequest(model)));
    await using stage = await routedScene({
      places: { a: { script: [hangUp("reset")] }, b: { script: [hangUp("reset")] }, c: { otherwise: good("c") } },
      routes: [{ model, targets: ["a", { backend: "b", model: "renamed" }, "c"] }],
    });
    const got = await rawRequest(`${stage.tollgate.url}/chat/completions`, {
      headers: [
        ["Content-Type", "application/json"],
        ["Content-Encoding", "gzip"],
      ],
      body,
    });
    expect(got.text).toBe(goodBody("c", "json"));
    const [a, b, c] = ["a", "b", "c"].map((name) => stage.place(name).received[0]);
    for (const one of [a, c]) {
      expect([one?.header("content-encoding"), one?.body.equals(body)]).toEqual(["gzip", true]);
    }
    expect(b?.header("content-encoding")).toBeUndefined();
    expect(b?.json()).toEqual(chatRequest("renamed"));
  });
});

describe("a backend that does not know stream_options", () => {
  test("is asked again without, and from then on at once; it counts as a try", async () => {
    await using stage = await two({ otherwise: withoutStreamOptions(good("a")) });
    for (const expected of [["a upstream_rejected", "a completed"], ["a completed"]]) {
      const got = await stage.post("/chat/completions", streamed);
      expect(got.text).toBe(chatEvents({ model: "served", words: ["I am ", "a"] }).join(""));
      expect(tries(await stage.exchangeOf(got))).toEqual(expected);
    }
    expect(stage.place("b").received).toEqual([]);
    const counted = sumsBy(await stage.metrics(), "gateway_attempts_total", ["backend", "result", "reason"]);
    expect(counted).toEqual({ "a refused upstream_rejected": 1, "a completed ok": 2 });
  });

  test("falls back like any other, when it fails without them", async () => {
    await using stage = await two({ otherwise: withoutStreamOptions(errorAnswer(500, "no luck")) });
    const got = await stage.post("/chat/completions", streamed);
    expect(got.text).toBe(goodBody("b", "stream"));
    expect(tries(await stage.exchangeOf(got))).toEqual(["a upstream_rejected", "a upstream_status", "b completed"]);
    expect(stage.place("b").received[0]?.json()).toMatchObject({ stream_options: { include_usage: true } });
  });

  test("is not believed where the request is bad in any case: nobody can switch the metering off", async () => {
    const bad = errorAnswer(400, "Unrecognized request argument supplied: include_usage_now");
    await using stage = await two({ script: [bad, bad], otherwise: good("a") });
    expect((await stage.post("/chat/completions", { ...streamed, include_usage_now: 1 })).status).toBe(400);
    const got = await stage.post("/chat/completions", streamed);
    expect(await stage.exchangeOf(got)).toMatchObject({ tokens: usage, usageSource: "provider" });
    expect(stage.place("a").received.at(-1)?.json()).toMatchObject({ stream_options: { include_usage: true } });
  });
});

describe("each backend gets what is its own", () => {
  test("another target's headers, key and name of the model never mix", async () => {
    await using stage = await routedScene({
      places: {
        a: { script: [errorAnswer(503, "no luck")], backend: { headers: { "X-Account": "of-a" } } },
        b: { otherwise: good("b") },
      },
      routes: [{ model, targets: [{ backend: "a", model: "at-a" }, "b"] }],
    });
    const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", "Bearer sk-clients"]]);
    expect(got.text).toBe(goodBody("b", "json"));
    const [a, b] = [stage.place("a").received[0], stage.place("b").received[0]];
    expect([a?.json(), a?.header("authorization"), a?.header("x-account")]).toEqual([
      chatRequest("at-a"),
      "Bearer sk-a",
      "of-a",
    ]);
    expect([b?.json(), b?.header("authorization"), b?.header("x-account")]).toEqual([
      chatRequest(model),
      "Bearer sk-b",
      undefined,
    ]);
    // Each try is its own parent for what the backend traces, and both carry the one id of the request.
    expect(a?.header("x-request-id")).toBe(got.header("x-request-id"));
    expect(b?.header("x-request-id")).toBe(got.header("x-request-id"));
    expect(got.header("x-tollgate-backend")).toBe("b");
  });

  test("a client's key that its backend refuses is the client's affair: no other backend is asked", async () => {
    await using stage = await two({
      script: [errorAnswer(401, "Incorrect API key provided")],
      backend: { passClientKey: true, key: "" },
    });
    const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", "Bearer sk-clients"]]);
    expect([got.status, got.json()]).toMatchObject([401, { error: { message: "Incorrect API key provided" } }]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "auth", status: 401 });
    expect(stage.place("b").received).toEqual([]);
  });

  test("a client's key goes back to its own backend in the next round, and to no other", async () => {
    const passes = { passClientKey: true, key: "" };
    await using stage = await routedScene({
      places: {
        a: { script: [errorAnswer(503, "no luck")], otherwise: good("a"), backend: passes },
        b: { otherwise: good("b"), backend: passes },
      },
      routes: [{ model, targets: ["a", "b"], retries: { max: 1, backoff: 0.01, maxBackoff: 1 } }],
    });
    const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", "Bearer sk-clients"]]);
    expect(got.text).toBe(goodBody("a", "json"));
    expect(stage.place("a").received.map((one) => one.header("authorization"))).toEqual(
      Array.from({ length: 2 }, () => "Bearer sk-clients"),
    );
    expect(stage.place("b").received).toEqual([]);
  });
});
