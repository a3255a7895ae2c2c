import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import type { Backend, Config } from "../config/config.ts";
import { answer, answerBy, errorAnswer, hangUp, json, raw, silence } from "../testing/answers.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { backendAt, startTollgate, type Tollgate, testConfig } from "../testing/harness.ts";
import type { Field } from "../testing/http-wire.ts";
import { rawConnection, rawRequest, requestBytes } from "../testing/raw-client.ts";
import { expectSound } from "../testing/scene.ts";
import type { Answer } from "../testing/turn.ts";

const listOf = (...ids: readonly string[]) =>
  json({ object: "list", data: ids.map((id) => ({ id, object: "model", created: 1, owned_by: "them", own: true })) });

interface Overrides extends Partial<Backend> {
  readonly keyless?: boolean;
}

interface Several extends AsyncDisposable {
  readonly tollgate: Tollgate;
  readonly backends: readonly FakeBackend[];
  ids(headers?: readonly Field[]): Promise<readonly string[]>;
  ask(headers?: readonly Field[]): ReturnType<typeof rawRequest>;
}

/** A gateway before several backends, each with what it answers and what its config says beside that. */
async function several(each: readonly [Answer, Overrides?][], more: Partial<Config> = {}): Promise<Several> {
  const backends = await Promise.all(each.map(([otherwise]) => fakeBackend({ otherwise })));
  const configs = each.map(([, { keyless, ...overrides } = {}], i) => {
    const { key, ...rest } = backendAt(backends[i]?.origin ?? "", { name: `b${i}`, models: [`b${i}-*`], ...overrides });
    return { ...rest, ...(key !== undefined && !keyless && { key }) };
  });
  const tollgate = await startTollgate({ ...more, backends: configs });
  const ask = (headers: readonly Field[] = []) => rawRequest(`${tollgate.url}/models`, { method: "GET", headers });
  return {
    tollgate,
    backends,
    ask,
    async ids(headers) {
      const { data } = (await ask(headers)).json() as { data: { id: string }[] };
      return data.map(({ id }) => id);
    },
    async [Symbol.asyncDispose]() {
      await tollgate.close();
      for (const exchange of tollgate.exchanges) expectSound(exchange);
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
}

describe("the list of models", () => {
  test("is every backend's own, in the order of the config, with their fields", async () => {
    await using stage = await several([[listOf("b0-x", "b0-y")], [listOf("b1-x")]]);
    const got = await stage.ask();
    expect(got.json()).toEqual({
      object: "list",
      data: ["b0-x", "b0-y", "b1-x"].map((id) => ({ id, object: "model", created: 1, owned_by: "them", own: true })),
    });
    const exchange = await stage.tollgate.nextExchange();
    expect(exchange).toMatchObject({ operation: "models", outcome: { kind: "completed", status: 200, finish: "ok" } });
    expect(exchange.attempts.map(({ backend, result }) => [backend, result])).toEqual([
      ["b0", "completed"],
      ["b1", "completed"],
    ]);
    expect(exchange.bytes.response).toBe(got.body.length);
  });

  test("names a model once, from the backend that a request for it would go to", async () => {
    await using stage = await several([
      [listOf("both", "only-b1", "nobody's"), { models: ["both"], provider: "first" }],
      [listOf("both", "only-b1"), { models: ["both", "only-*"] }],
    ]);
    expect(await stage.ids()).toEqual(["both", "only-b1"]);
  });

  test("has the names in the config, of a backend without a list, too", async () => {
    await using stage = await several([
      [errorAnswer(404, "no such page"), { models: ["local-model", "local-*"], provider: "vllm" }],
    ]);
    expect((await stage.ask()).json()).toEqual({
      object: "list",
      data: [{ id: "local-model", object: "model", created: 0, owned_by: "vllm" }],
    });
  });

  test.each([
    ["is away", hangUp("reset")],
    ["fails", errorAnswer(500, "no luck")],
    ["speaks no HTTP", raw("garbage\r\n\r\n")],
    ["gives no JSON", answer({ body: "<html>" })],
    ["gives JSON that is no list", json({ object: "list", data: {} })],
    ["gives null", json(null)],
  ])("lacks one backend's part where that %s, and the record says so", async (_, bad) => {
    await using stage = await several([[bad], [listOf("b1-x")]]);
    expect(await stage.ids()).toEqual(["b1-x"]);
    const { attempts, outcome } = await stage.tollgate.nextExchange();
    expect([outcome.kind, attempts.map(({ result }) => result)]).toEqual(["completed", ["failed", "completed"]]);
  });

  test("leaves out what is no model, and keeps the rest", async () => {
    const odd = json({ data: [null, 5, "x", {}, { id: 7 }, { id: "b0-x" }] });
    await using stage = await several([[odd]]);
    expect(await stage.ids()).toEqual(["b0-x"]);
  });

  test("does not wait for a backend that is slow", { timeout: 15_000 }, async () => {
    await using stage = await several([[silence], [listOf("b1-x")]]);
    expect(await stage.ids()).toEqual(["b1-x"]);
    const { attempts } = await stage.tollgate.nextExchange();
    expect(attempts[0]).toMatchObject({ result: "failed", reason: "timeout" });
  });

  test("comes from backends that compress for a client that takes it, or that know what it has", async () => {
    const body = JSON.stringify({ object: "list", data: [{ id: "b0-x" }] });
    const eager = answerBy(({ request }) => {
      if (request.header("if-none-match") !== undefined) return answer({ status: 304, framing: "none" });
      if (request.header("range") !== undefined) return answer({ status: 206, body: body.slice(0, 9) });
      const packs = /gzip/.test(request.fields.map(([, value]) => value).join());
      return packs
        ? answer({ body: gzipSync(body), headers: [["Content-Encoding", "gzip"]] })
        : answer({ body, headers: [["Content-Type", "application/json"]] });
    });
    await using stage = await several([[eager]]);
    const headers: Field[] = [
      ["Accept-Encoding", "gzip, deflate, br"],
      ["If-None-Match", '"1"'],
      ["Range", "bytes=0-8"],
    ];
    expect(await stage.ids(headers)).toEqual(["b0-x"]);
  });
});

describe("keys", () => {
  const keyOf = (backend: FakeBackend | undefined) => backend?.received[0]?.header("authorization");

  test("go where they belong: ours to the backends that have one, the client's to those that take it", async () => {
    await using stage = await several([
      [listOf("b0-x"), { key: "sk-ours", passClientKey: false }],
      [listOf("b1-x"), { keyless: true, passClientKey: true }],
    ]);
    expect(await stage.ids([["Authorization", "Bearer sk-theirs"]])).toEqual(["b0-x", "b1-x"]);
    expect(stage.backends.map(keyOf)).toEqual(["Bearer sk-ours", "Bearer sk-theirs"]);
  });

  test("of a client that the only backend refuses are refused, not answered with an empty list", async () => {
    await using stage = await several([
      [errorAnswer(401, "Incorrect API key"), { keyless: true, passClientKey: true }],
    ]);
    const got = await stage.ask([["Authorization", "Bearer sk-theirs"]]);
    expect([got.status, got.json()]).toMatchObject([401, { error: { code: "invalid_api_key" } }]);
    expect((await stage.tollgate.nextExchange()).outcome).toMatchObject({ kind: "refused", reason: "auth" });
  });

  test("of ours that are refused are our own failure", async () => {
    await using stage = await several([[errorAnswer(401, "Incorrect API key provided: sk-backend-key")]]);
    const got = await stage.ask();
    expect([got.status, got.text.includes("sk-backend")]).toEqual([502, false]);
    expect((await stage.tollgate.nextExchange()).outcome).toMatchObject({ kind: "failed", reason: "upstream_auth" });
  });
});

test("where no backend gives a list and the config has no names, the failure is the backends'", async () => {
  await using stage = await several([[hangUp("reset")], [errorAnswer(503, "busy")]]);
  const got = await stage.ask();
  expect([got.status, got.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
  expect((await stage.tollgate.nextExchange()).attempts).toHaveLength(2);
});

test("it stands in no queue, heeds no breaker, and is one request, however many backends are asked", async () => {
  const oneSlot = { maxConcurrent: 1, queue: { size: 0, timeout: 1 } };
  const breaker = { failures: 1, ratio: 0, minRequests: 1, window: 60, openFor: 60, halfOpen: 1 };
  const byPath = (chat: Answer) =>
    answerBy(({ request }) => (request.target.endsWith("/models") ? listOf("a-model") : chat));
  const { rateLimits } = testConfig();
  await using all = await several(
    [
      [byPath(silence), oneSlot],
      [byPath(errorAnswer(500, "down")), { breaker }],
    ],
    { rateLimits: { ...rateLimits, default: { requestsPerMinute: 9 } } },
  );
  const chat = (model: string) => ({
    headers: [["Content-Type", "application/json"]] as const,
    body: JSON.stringify({ model, messages: [] }),
  });
  const url = `${all.tollgate.url}/chat/completions`;
  const connection = await rawConnection(url);
  await connection.send(requestBytes(url, chat("b0-x")));
  await all.backends[0]?.request(0);
  expect((await rawRequest(url, chat("b1-x"))).status).toBe(500);
  // The one has no slot left, and the other is left alone.
  expect((await rawRequest(url, chat("b0-x"))).json()).toMatchObject({ error: { code: "queue_full" } });
  expect((await rawRequest(url, chat("b1-x"))).json()).toMatchObject({ error: { code: "no_backend_up" } });
  await all.tollgate.settled(3);
  const [before] = await all.tollgate.allowance.standing();
  const got = await all.ask();
  expect(got.status).toBe(200);
  expect(all.backends.map(({ received }) => received.at(-1)?.target)).toEqual(["/v1/models", "/v1/models"]);
  await all.tollgate.settled(4);
  const [after] = await all.tollgate.allowance.standing();
  // The chat that failed, the one that is under way, and the list.
  expect([before?.used, after?.used]).toEqual([2, 3]);
  connection.reset();
});

test("a client that leaves while lists are waited for is abandoned, and the backends are let go", async () => {
  await using stage = await several([[silence], [silence]]);
  const url = `${stage.tollgate.url}/models`;
  const connection = await rawConnection(url);
  await connection.send(requestBytes(url, { method: "GET" }));
  await Promise.all(stage.backends.map((backend) => backend.request(0)));
  connection.reset();
  const { outcome, attempts } = await stage.tollgate.nextExchange();
  expect([outcome.kind, attempts.map(({ result }) => result)]).toEqual(["abandoned", ["abandoned", "abandoned"]]);
  for (const backend of stage.backends) await vi.waitFor(() => expect(backend.received[0]?.end).toBe("left"));
});

describe("an alias", () => {
  const retries = { max: 0, backoff: 0.5, maxBackoff: 8 };
  const route = (model: string) =>
    ({
      model,
      strategy: "priority",
      targets: [{ backend: "b0", model: "b0-x", weight: 1, timeouts: {} }],
      retries,
    }) as const;
  const routes = [route("hybrid"), route("any-*"), route("org/name")];

  test("is in the list, and a pattern is not", async () => {
    await using all = await several([[listOf("b0-x")]], { routes });
    expect(await all.ids()).toEqual(["b0-x", "hybrid", "org/name"]);
  });

  test.each(["hybrid", "org%2Fname", "org/name"])(
    "%s is described by the gateway, for no backend knows it",
    async (path) => {
      await using all = await several([[listOf("b0-x")]], { routes });
      const got = await rawRequest(`${all.tollgate.url}/models/${path}`, { method: "GET" });
      expect([got.status, got.json()]).toEqual([
        200,
        { id: decodeURIComponent(path), object: "model", created: 0, owned_by: "tollgate" },
      ]);
      expect(all.backends[0]?.received).toEqual([]);
      expect((await all.tollgate.nextExchange()).outcome).toMatchObject({ kind: "completed", status: 200 });
    },
  );
});
