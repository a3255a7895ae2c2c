// The response cache over real sockets: what is answered from it, what never is, and what the record says.
import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { answer, errorAnswer, eventStream, json } from "../testing/answers.ts";
import { cachedRoute, cacheScene, cacheSettings } from "../testing/cache-scene.ts";
import { fakeBackend } from "../testing/fake-backend.ts";
import { backendAt, testConfig } from "../testing/harness.ts";
import { keyRing } from "../testing/key-ring.ts";
import { metricSamples, sumsBy } from "../testing/metrics-text.ts";
import { chatCompletion, chatEvents, chatRequest, withoutUsageChunk } from "../testing/payloads.ts";
import { rawConnection, rawRequest, requestBytes } from "../testing/raw-client.ts";
import { expectSound, type Scene, scene } from "../testing/scene.ts";
import { ResponseCache } from "./cache.ts";
import type { Entry } from "./entry.ts";

const model = "gpt-4o-mini";
const usage = { input: 1_000, output: 500 };
const question = chatRequest(model, { temperature: 0 });
const path = "/chat/completions";
const said = (content: string) => json(chatCompletion(model, usage, content));
const events = chatEvents({ model, usage });
const streamed = chatRequest(model, { temperature: 0, stream: true, stream_options: { include_usage: true } });

/** Asks and waits for the record: what is to be kept is kept by then. */
async function ask(
  stage: Scene,
  body: unknown = question,
  headers: readonly (readonly [string, string])[] = [],
  to = path,
) {
  const before = stage.tollgate.exchanges.length;
  const got = await stage.post(to, body, headers);
  await stage.tollgate.settled(before + 1);
  const exchange = stage.tollgate.exchanges[before];
  if (exchange === undefined) throw new Error("no exchange was recorded");
  expectSound(exchange);
  return { got, exchange, cache: got.header("x-tollgate-cache") };
}

describe("a question that was asked before", () => {
  test("is answered with the same bytes, and no backend is asked", async () => {
    await using stage = await cacheScene({
      script: [
        json(chatCompletion(model, usage), {
          headers: [
            ["OpenAI-Version", "2020-10-01"],
            ["X-Own", "1"],
          ],
        }),
      ],
    });
    const first = await ask(stage);
    const second = await ask(stage);
    expect([first.cache, second.cache]).toEqual(["miss", "hit"]);
    expect(second.got.status).toBe(200);
    expect(second.got.body).toEqual(first.got.body);
    expect(second.got.header("content-type")).toBe("application/json");
    expect(second.got.header("openai-version")).toBe("2020-10-01");
    expect(second.got.header("x-own")).toBeUndefined();
    expect(second.got.header("age")).toBe("0");
    expect(second.got.header("x-tollgate-backend")).toBe("gateway");
    expect(second.got.header("x-request-id")).toBe(second.exchange.id);
    expect(second.exchange.id).not.toBe(first.exchange.id);
    expect(stage.backend.received).toHaveLength(1);
  });

  test("is recorded as a hit that cost nothing, with what it saved", async () => {
    await using stage = await cacheScene({ script: [said("a")] });
    const first = await ask(stage);
    const { exchange } = await ask(stage);
    expect(first.exchange).toMatchObject({ cache: "miss", cost: { status: "exact" } });
    const cost = first.exchange.cost;
    const price = cost && "nanoUsd" in cost ? cost.nanoUsd : 0;
    expect(price).toBeGreaterThan(0);
    expect(exchange).toMatchObject({
      cache: "hit",
      cost: { status: "exact", nanoUsd: 0 },
      cacheSaved: { backend: "fake", provider: "openai", tokens: { input: 1_000, output: 500 }, nanoUsd: price },
      model: { requested: model, served: model },
      outcome: { kind: "completed", status: 200, finish: "stop" },
      attempts: [],
      messageCount: 1,
    });
    expect(exchange.tokens).toBeUndefined();
    expect(exchange.bytes.response).toBe(first.exchange.bytes.response);
    const { receive, overhead, ...others } = exchange.phases;
    expect(Object.values(others)).toEqual([0, 0, 0, 0, 0]);
    const samples = metricSamples((await rawRequest(`${stage.tollgate.opsUrl}/metrics`, { method: "GET" })).text);
    const chats = sumsBy(samples, "gateway_cache_requests_total", ["result"], { operation: "chat" });
    expect(chats).toEqual({ miss: 1, hit: 1 });
    expect(sumsBy(samples, "gateway_cache_saved_usd_total", ["model"])).toEqual({ [model]: price / 1e9 });
    expect(sumsBy(samples, "token_spend_total", ["type"])).toEqual({ input: 1_000, output: 500 });
    expect(sumsBy(samples, "generation_success_total", ["model"])).toEqual({ [model]: 2 });
    await stage.tollgate.close();
    const { lines, spans } = stage.tollgate;
    const [line] = lines.filter((one) => one.includes('"cache":"hit"')).map((one) => JSON.parse(one));
    expect(line).toMatchObject({
      id: exchange.id,
      cost_nano_usd: 0,
      cache_saved_input_tokens: 1_000,
      cache_saved_output_tokens: 500,
      cache_saved_nano_usd: price,
    });
    expect(
      spans.find(({ attributes }) => attributes["tollgate.exchange.id"] === exchange.id)?.attributes,
    ).toMatchObject({
      "tollgate.cost.nano_usd": 0,
      "tollgate.cache_saved.input_tokens": 1_000,
      "tollgate.cache_saved.output_tokens": 500,
      "tollgate.cache_saved.nano_usd": price,
    });
  });

  test("is replayed as a stream in its pieces, where it was one", async () => {
    let go: () => void = () => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    const [first = "", ...rest] = events;
    await using stage = await cacheScene({ script: [eventStream([first, wait, rest.join("")])] });
    const slow = await rawConnection(stage.tollgate.url);
    const request = { headers: [["Content-Type", "application/json"]] as const, body: JSON.stringify(streamed) };
    await slow.send(requestBytes(stage.at(path), request));
    await slow.head("POST");
    expect(String(await slow.piece())).toBe(first);
    go();
    while ((await slow.piece()) !== undefined);
    slow.leave();
    await stage.tollgate.settled(1);

    const again = await rawConnection(stage.tollgate.url);
    await again.send(requestBytes(stage.at(path), request));
    const head = await again.head("POST");
    expect(head.header("content-type")).toBe("text/event-stream");
    expect(head.header("x-tollgate-cache")).toBe("hit");
    expect(head.framing.kind).toBe("chunked");
    const pieces: string[] = [];
    for (let piece = await again.piece(); piece !== undefined; piece = await again.piece()) pieces.push(String(piece));
    again.leave();
    expect(pieces).toEqual([first, rest.join("")]);
    const [, exchange] = await stage.tollgate.settled(2);
    expect(exchange).toMatchObject({ cache: "hit", streamed: true, outcome: { kind: "completed", finish: "stop" } });
  });

  test("is asked again once the answer is too old", async () => {
    await using stage = await cacheScene({ cache: { ttl: 0.05 }, script: [said("old"), said("new")] });
    await ask(stage);
    await expect.poll(async () => (await ask(stage)).got.text, { interval: 20 }).toContain("new");
  });

  test("is answered again where its endpoint states no usage", async () => {
    const judged = { id: "modr-1", model: "omni-moderation-latest", results: [{ flagged: false }] };
    const text = { model: judged.model, input: "Hello" };
    await using stage = await cacheScene({ script: [json(judged)] });
    const first = await ask(stage, text, [], "/moderations");
    const second = await ask(stage, text, [], "/moderations");
    expect([first.cache, second.cache]).toEqual(["miss", "hit"]);
    expect(second.got.body).toEqual(first.got.body);
    expect(second.exchange).toMatchObject({ cache: "hit", attempts: [], cacheSaved: { backend: "fake" } });
    expect(stage.backend.received).toHaveLength(1);
  });

  test("is answered compressed as it came", async () => {
    const body = zlib.gzipSync(JSON.stringify(chatCompletion(model, usage)));
    const headers = [
      ["Content-Type", "application/json"],
      ["Content-Encoding", "gzip"],
    ] as const;
    await using stage = await cacheScene({ script: [answer({ headers, body })] });
    await ask(stage);
    const { got, cache } = await ask(stage);
    expect(cache).toBe("hit");
    expect(got.header("content-encoding")).toBe("gzip");
    expect(got.body).toEqual(body);
  });

  test("counts as a request, and as no tokens", async () => {
    const rateLimits = { ...testConfig().rateLimits, default: { requestsPerMinute: 2, tokensPerMinute: 2_000 } };
    await using stage = await cacheScene({ config: { rateLimits }, script: [said("a")] });
    await ask(stage);
    const hit = await ask(stage);
    expect(hit.cache).toBe("hit");
    expect(hit.got.header("x-ratelimit-remaining-requests")).toBe("0");
    expect(hit.got.header("x-ratelimit-remaining-tokens")).toBe("500");
    const refused = await ask(stage);
    expect(refused.got.status).toBe(429);
    expect(refused.exchange).toMatchObject({ cache: "bypass", outcome: { reason: "rate_limited" } });
  });
});

describe("whose answer it is", () => {
  const admitting = () => {
    const keys = keyRing();
    const [ann, bob] = [keys.add("ann"), keys.add("bob")];
    return { admitting: { keys }, as: (key: string) => [["Authorization", `Bearer ${key}`]] as const, ann, bob };
  };

  test("one key never gets what another asked for", async () => {
    const { admitting: keys, as, ann, bob } = admitting();
    await using stage = await cacheScene({ admitting: keys, script: [said("for ann"), said("for bob")] });
    expect((await ask(stage, question, as(ann))).got.text).toContain("for ann");
    expect((await ask(stage, question, as(bob))).got.text).toContain("for bob");
    expect((await ask(stage, question, as(ann))).got.text).toContain("for ann");
    expect((await ask(stage, question, as(bob))).cache).toBe("hit");
  });

  test("it does where the operator says so", async () => {
    const { admitting: keys, as, ann, bob } = admitting();
    await using stage = await cacheScene({ cache: { acrossKeys: true }, admitting: keys, script: [said("for ann")] });
    await ask(stage, question, as(ann));
    expect((await ask(stage, question, as(bob))).cache).toBe("hit");
  });

  test("a client's own credential keeps its answers apart, even then", async () => {
    await using stage = await cacheScene({
      cache: { acrossKeys: true },
      keyless: true,
      backend: { passClientKey: true },
      script: [said("a"), said("b")],
    });
    await ask(stage, question, [["Authorization", "Bearer sk-one"]]);
    expect((await ask(stage, question, [["Authorization", "Bearer sk-two"]])).cache).toBe("miss");
    expect((await ask(stage, question, [["Authorization", "Bearer sk-one"]])).cache).toBe("hit");
  });
});

describe("what is not kept", () => {
  const broken = ["unterminated", "reset"] as const;
  test.each(broken)("an answer that broke off: %s", async (end) => {
    const cut = eventStream([events[0] ?? "", events[1] ?? ""], { end });
    await using stage = await cacheScene({ script: [cut, eventStream(events.join(""))] });
    expect((await ask(stage, streamed)).exchange.outcome.kind).toBe("failed");
    expect((await ask(stage, streamed)).cache).toBe("miss");
  });

  test("a stream without its end mark, and one with an error in it", async () => {
    const mute = eventStream([events[0] ?? "", events[1] ?? ""]);
    const error = eventStream([events[0] ?? "", 'data: {"error":{"message":"overloaded"}}\n\n', "data: [DONE]\n\n"]);
    await using stage = await cacheScene({ script: [mute, error, eventStream(events.join(""))] });
    for (const _ of "ab") {
      const { exchange, cache } = await ask(stage, streamed);
      expect([exchange.outcome.kind, cache]).toEqual(["failed", "miss"]);
    }
    expect((await ask(stage, streamed)).cache).toBe("miss");
    expect((await ask(stage, streamed)).cache).toBe("hit");
  });

  test("an answer whose client left", async () => {
    const stall = eventStream([events[0] ?? ""], { end: "stall" });
    await using stage = await cacheScene({ script: [stall, eventStream(events.join(""))] });
    const client = await rawConnection(stage.tollgate.url);
    const request = { headers: [["Content-Type", "application/json"]] as const, body: JSON.stringify(streamed) };
    await client.send(requestBytes(stage.at(path), request));
    await client.head("POST");
    await client.piece();
    client.reset();
    expect((await stage.tollgate.settled(1))[0]?.outcome.kind).toBe("abandoned");
    expect((await ask(stage, streamed)).cache).toBe("miss");
  });

  test.each([400, 429, 500])("an error: %d", async (status) => {
    await using stage = await cacheScene({ script: [errorAnswer(status, "no"), said("a")] });
    const first = await ask(stage);
    expect([first.got.status, first.cache]).toEqual([status, undefined]);
    expect((await ask(stage)).cache).toBe("miss");
  });

  test.each(["with its length", "as it comes"])("an answer that is too large, sent %s", async (how) => {
    const large = chatCompletion(model, usage, "x".repeat(5_000));
    const options = how === "as it comes" ? { body: [JSON.stringify(large)] } : {};
    await using stage = await cacheScene({
      cache: { maxEntryBytes: 4_000 },
      script: [json(large, options), said("a")],
    });
    expect((await ask(stage)).got.body.length).toBeGreaterThan(5_000);
    expect((await ask(stage)).cache).toBe("miss");
    expect((await ask(stage)).cache).toBe("hit");
  });

  test.each([
    ["no cache is configured", { routes: [cachedRoute("all")] }],
    ["its route has none", { cache: cacheSettings, routes: [cachedRoute("off")] }],
    ["no route says so", { cache: cacheSettings }],
  ])("anything, where %s", async (_, config) => {
    await using stage = await scene({ config, script: [said("a"), said("b")] });
    await ask(stage, question, [["X-Tollgate-Cache", "on"]]);
    const { exchange, cache } = await ask(stage, question, [["X-Tollgate-Cache", "on"]]);
    expect([exchange.cache, cache]).toEqual(["bypass", undefined]);
  });
});

describe("what a request wishes", () => {
  const wish = (word: string) => [["X-Tollgate-Cache", word]] as const;
  const warm = chatRequest(model, { temperature: 1 });

  test("off: neither looked up nor kept", async () => {
    await using stage = await cacheScene({ script: [said("a"), said("b"), said("c")] });
    expect((await ask(stage, question, wish("off"))).exchange.cache).toBe("bypass");
    expect((await ask(stage)).cache).toBe("miss");
    expect((await ask(stage, question, wish("off"))).got.text).toContain('"c"');
  });

  test("on: also what is not deterministic", async () => {
    await using stage = await cacheScene({ script: [said("a"), said("b")] });
    expect((await ask(stage, warm)).exchange.cache).toBe("bypass");
    expect((await ask(stage, warm, wish("on"))).cache).toBe("miss");
    expect((await ask(stage, warm, wish("on"))).cache).toBe("hit");
  });

  test("refresh: asked anew, and kept in place of the old answer", async () => {
    await using stage = await cacheScene({ script: [said("old"), said("new")] });
    await ask(stage);
    expect((await ask(stage, question, wish("refresh"))).cache).toBe("miss");
    const { got, cache } = await ask(stage);
    expect([cache, got.text.includes("new")]).toEqual(["hit", true]);
    expect(stage.backend.received[0]?.header("x-tollgate-cache")).toBeUndefined();
  });
});

test("whoever asks for usage and whoever does not have their own answers", async () => {
  const silent = chatRequest(model, { temperature: 0, stream: true });
  const whole = eventStream(events.join(""));
  await using stage = await cacheScene({ script: [whole, whole] });
  expect((await ask(stage, silent)).got.text).toBe(withoutUsageChunk(events).join(""));
  expect((await ask(stage, streamed)).got.text).toBe(events.join(""));
  const hits = [await ask(stage, silent), await ask(stage, streamed)];
  expect(hits.map(({ cache }) => cache)).toEqual(["hit", "hit"]);
  expect(hits.map(({ got }) => got.text)).toEqual([withoutUsageChunk(events).join(""), events.join("")]);
  expect(hits[0]?.exchange.cacheSaved?.tokens).toMatchObject(usage);
});

test("a compressed stream whose usage was withheld is kept as the client got it: plain", async () => {
  const silent = chatRequest(model, { temperature: 0, stream: true });
  const zipped = eventStream([zlib.gzipSync(events.join(""))], { headers: [["Content-Encoding", "gzip"]] });
  await using stage = await cacheScene({ script: [zipped] });
  const answers = [await ask(stage, silent), await ask(stage, silent)];
  expect(answers.map(({ cache }) => cache)).toEqual(["miss", "hit"]);
  for (const { got } of answers) {
    expect(got.header("content-encoding")).toBeUndefined();
    expect(got.text).toBe(withoutUsageChunk(events).join(""));
  }
});

test("a reload keeps what is kept; another system prompt, or no cache any more, does not meet it", async () => {
  await using stage = await cacheScene({ script: [said("a"), said("prompted"), said("b"), said("c")] });
  const { gateway } = stage.tollgate;
  await ask(stage);
  const backends = [backendAt(stage.backend.origin)];
  const base = testConfig({ backends, cache: cacheSettings, routes: [cachedRoute()] });
  gateway.reload(base);
  expect((await ask(stage)).cache).toBe("hit");
  gateway.reload({ ...base, routes: [{ ...cachedRoute(), systemPrompt: { mode: "prepend", text: "Be kind." } }] });
  const prompted = await ask(stage);
  expect([prompted.cache, prompted.got.text.includes("prompted")]).toEqual(["miss", true]);
  gateway.reload(base);
  expect((await ask(stage)).cache).toBe("hit");
  const { cache: _, ...without } = base;
  gateway.reload(without);
  expect((await ask(stage)).exchange.cache).toBe("bypass");
  gateway.reload(base);
  expect((await ask(stage)).cache).toBe("miss");
});

test.each<[string, object]>([
  ["leads to another model", { targets: [{ backend: "fake", model: "other", weight: 1, timeouts: {} }] }],
  ["leads to another backend", { targets: [{ backend: "second", weight: 1, timeouts: {} }] }],
])("a route that %s after a reload does not meet what the one before was answered", async (_, change) => {
  const other = await fakeBackend();
  await using _stop = { [Symbol.asyncDispose]: () => other.close() };
  other.next(said("new"));
  await using stage = await cacheScene({ script: [said("old"), said("new")] });
  await ask(stage);
  const backends = [backendAt(stage.backend.origin), backendAt(other.origin, { name: "second" })];
  const config = testConfig({ backends, cache: cacheSettings, routes: [cachedRoute()] });
  stage.tollgate.gateway.reload(config);
  expect((await ask(stage)).cache).toBe("hit");
  stage.tollgate.gateway.reload({ ...config, routes: [{ ...cachedRoute(), ...change }] });
  const changed = await ask(stage);
  expect([changed.cache, changed.got.text.includes("new")]).toEqual(["miss", true]);
});

test("an answer that came compressed, as its client can read it, is for none that cannot", async () => {
  const judged = { id: "modr_1", model, results: [] };
  const packed = answer({
    headers: [
      ["Content-Type", "application/json"],
      ["Content-Encoding", "gzip"],
    ],
    body: zlib.gzipSync(JSON.stringify(judged)),
  });
  await using stage = await cacheScene({ script: [packed, json(judged)] });
  const asking = (...headers: (readonly [string, string])[]) =>
    ask(stage, { model, input: "x" }, headers, "/moderations");
  expect((await asking(["Accept-Encoding", "gzip"])).cache).toBe("miss");
  const plain = await asking();
  expect([plain.cache, plain.got.json()]).toEqual(["miss", judged]);
  expect((await asking(["Accept-Encoding", "gzip"])).cache).toBe("hit");
});

test("a store that cannot be opened leaves the cache as it was", () => {
  const cache = new ResponseCache({ config: { cache: cacheSettings }, wall: () => 0, failed: () => undefined });
  const entry: Entry = {
    storedAt: 0,
    headers: [],
    body: Buffer.from("{}"),
    ends: [],
    finish: "stop",
    saved: { backend: "fake", provider: "openai", seconds: 1 },
  };
  cache.write("key", entry);
  const redis = { url: "redis://127.0.0.1/cache", onFailure: "allow" as const };
  expect(() => cache.configure({ cache: { ...cacheSettings, ttl: 1, store: "redis" }, redis })).toThrow();
  expect(cache.settings).toEqual(cacheSettings);
  expect(cache.read("key")).toMatchObject({ finish: "stop" });
});
