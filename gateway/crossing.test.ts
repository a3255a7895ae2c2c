import { describe, expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const completion = json(chatCompletion(model, { input: 1, output: 2 }));

/** The fields that the gateway adds to each answer, beside Node's own. */
const own = ["x-request-id", "x-tollgate-backend", "server-timing", "x-tollgate-upstream-request-id"];
const nodes = ["date", "connection", "keep-alive", "content-length", "transfer-encoding"];
const theirs = (fields: readonly Field[]) =>
  fields.filter(([name]) => ![...own, ...nodes].includes(name.toLowerCase()));

describe("headers to the backend", () => {
  const crossing: Field[] = [
    ["Accept", "application/json"],
    ["User-Agent", "OpenAI/Python 2.1"],
    ["OpenAI-Beta", "assistants=v2"],
    ["Idempotency-Key", "abc-1"],
    ["X-Stainless-Retry-Count", "0"],
    ["X-CUSTOM-Case", "Käse"],
    ["X-Twice", "1"],
    ["x-twice", "2"],
    ["Accept-Language", "de, en;q=0.5"],
  ];
  const stopped: Field[] = [
    ["Keep-Alive", "timeout=5"],
    ["Connection", "keep-alive, X-Of-Connection"],
    ["X-Of-Connection", "hush"],
    ["Proxy-Authorization", "Basic hush"],
    ["Proxy-Connection", "keep-alive"],
    ["TE", "trailers"],
    ["Upgrade", "h2c"],
    ["HTTP2-Settings", "AAMAAABkAAQAAP__"],
    ["Cookie", "session=hush"],
    ["Baggage", "user=hush"],
    ["Origin", "http://localhost:3000"],
    ["Referer", "http://localhost:3000/hush"],
    ["Forwarded", "for=192.0.2.7"],
    ["X-Forwarded-For", "192.0.2.7"],
    ["X-Forwarded-Host", "hush.example"],
    ["X-Real-IP", "192.0.2.7"],
    ["Authorization", "Bearer sk-hush"],
    ["Api-Key", "hush"],
    ["OpenAI-Organization", "org-hush"],
    ["OpenAI-Project", "proj-hush"],
    ["X-Tollgate-Feature", "hush"],
    ["X-Request-Id", "hush-client-id"],
    ["Traceparent", "00-11111111111111111111111111111111-2222222222222222-01"],
  ];

  test("what may cross does, as written and in order; what may not does not", async () => {
    await using stage = await scene({
      backend: { key: "sk-ours", passClientKey: false, propagateTrace: false },
      fake: {
        authorization: "Bearer sk-ours",
        secrets: ["hush", "192.0.2.7"],
        forbids: stopped
          .map(([name]) => name)
          .filter((name) => !/^(connection|authorization|x-request-id)$/i.test(name)),
      },
      script: [completion],
    });
    const latin = crossing.map(([name, value]) => [name, value] as const);
    const got = await stage.post("/chat/completions", chatRequest(model), [...latin, ...stopped]);
    expect(got.status).toBe(200);
    const names = crossing.map(([name]) => name.toLowerCase());
    expect(stage.backend.received[0]?.fields.filter(([name]) => names.includes(name.toLowerCase()))).toEqual(crossing);
    expect(stage.backend.received[0]?.header("x-request-id")).toBe(got.header("x-request-id"));
  });

  test.each([
    {
      name: "a backend that opts in and has no key gets the client's own",
      passClientKey: true,
      keyless: true,
      got: "Bearer sk-client",
    },
    {
      name: "a backend with a key gets that, though it would take the client's",
      passClientKey: true,
      keyless: false,
      got: "Bearer sk-ours",
    },
    { name: "a backend that does not opt in gets none", passClientKey: false, keyless: true, got: undefined },
  ])("$name", async ({ passClientKey, keyless, got }) => {
    await using stage = await scene({ backend: { passClientKey, key: "sk-ours" }, keyless, script: [completion] });
    await stage.post("/chat/completions", chatRequest(model), [["Authorization", "Bearer sk-client"]]);
    expect(stage.backend.received[0]?.header("authorization")).toBe(got);
    expect(JSON.stringify(await stage.onlyExchange())).not.toMatch(/sk-client|sk-ours/);
  });

  test("a client's own key that the backend refuses is the client's affair", async () => {
    await using stage = await scene({
      backend: { passClientKey: true },
      keyless: true,
      script: [json({ error: { message: "Incorrect API key provided", code: "invalid_api_key" } }, { status: 401 })],
    });
    const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", "Bearer sk-client"]]);
    expect([got.status, got.json()]).toMatchObject([401, { error: { code: "invalid_api_key" } }]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "auth", status: 401 });
  });

  test("the operator's headers go out over the client's", async () => {
    await using stage = await scene({ backend: { headers: { "X-Custom": "ours" } }, script: [completion] });
    await stage.post("/chat/completions", chatRequest(model), [["x-custom", "theirs"]]);
    expect(stage.backend.received[0]?.fields.filter(([name]) => /^x-custom$/i.test(name))).toEqual([
      ["X-Custom", "ours"],
    ]);
  });

  test.each([true, false])("trace context goes on to a backend that may have it (%s)", async (propagateTrace) => {
    await using stage = await scene({ backend: { propagateTrace }, script: [completion] });
    const traceId = "1234567890abcdef1234567890abcdef";
    await stage.post("/chat/completions", chatRequest(model), [
      ["traceparent", `00-${traceId}-1234567890abcdef-01`],
      ["tracestate", "a=b"],
    ]);
    const exchange = await stage.onlyExchange();
    expect(exchange.trace).toMatchObject({ traceId, parentSpanId: "1234567890abcdef", tracestate: "a=b" });
    const [request] = stage.backend.received;
    expect([request?.header("traceparent")?.slice(0, 36), request?.header("tracestate")]).toEqual(
      propagateTrace ? [`00-${traceId}-`, "a=b"] : [undefined, undefined],
    );
  });
});

describe("headers to the client", () => {
  const crossing: Field[] = [
    ["Content-Type", "application/json; charset=utf-8"],
    ["openai-version", "2020-10-01"],
    ["openai-processing-ms", "12"],
    ["X-RateLimit-Remaining-Tokens", "9"],
    ["ETag", '"a"'],
    ["Cache-Control", "no-cache"],
    ["X-Twice", "1"],
    ["x-twice", "2"],
    ["Vary", "Accept"],
    ["X-Odd", "Käse"],
  ];
  const stopped: Field[] = [
    ["Connection", "keep-alive, X-Of-Connection"],
    ["X-Of-Connection", "hush"],
    ["Keep-Alive", "timeout=77"],
    ["Proxy-Authenticate", "Basic hush"],
    ["Upgrade", "hush/2"],
    ["Set-Cookie", "__cf_bm=hush"],
    ["openai-organization", "org-hush"],
    ["openai-project", "proj-hush"],
    ["Alt-Svc", 'h3="hush:443"'],
    ["Strict-Transport-Security", "max-age=7"],
    ["Access-Control-Allow-Origin", "*"],
    ["X-Tollgate-Backend", "hush"],
    ["Server-Timing", "hush"],
  ];
  test("what may cross does, as written and in order; what may not does not", async () => {
    await using stage = await scene({ script: [json({}, { headers: [...crossing.slice(1), ...stopped] })] });
    const got = await stage.post("/chat/completions", chatRequest(model));
    const expected = [["Content-Type", "application/json"], ...crossing.slice(1)];
    expect(theirs(got.fields)).toEqual(expected);
    expect(got.fields.join("\n")).not.toMatch(/hush|timeout=77/);
  });

  test("each answer has our id, names the backend, and says where the time went", async () => {
    await using stage = await scene({
      script: [json(chatCompletion(model), { delay: 30, headers: [["X-Request-Id", "req_theirs"]] })],
    });
    const got = await stage.post("/chat/completions", chatRequest(model), [["X-Request-Id", "client-said"]]);
    const exchange = await stage.onlyExchange();
    expect(got.header("x-request-id")).toBe(exchange.id);
    expect(exchange.caller.requestId).toBe("client-said");
    expect(exchange.attempts[0]?.upstreamRequestId).toBe("req_theirs");
    expect(got.header("x-tollgate-upstream-request-id")).toBe("req_theirs");
    expect(got.header("x-tollgate-backend")).toBe(exchange.attempts[0]?.backend);
    const timing = Object.fromEntries(
      (got.header("server-timing") ?? "").split(", ").map((part) => part.split(";dur=")),
    );
    expect(Number(timing.first_byte) / 1000).toBeCloseTo(exchange.phases.firstByte, 3);
    expect(Number(timing.first_byte)).toBeGreaterThan(25);
  });

  test("an error of ours carries the same headers as far as they are known", async () => {
    await using stage = await scene();
    await stage.backend.refuse();
    const got = await stage.post("/chat/completions", chatRequest(model));
    const exchange = await stage.onlyExchange();
    expect([got.status, got.header("x-request-id"), got.header("x-tollgate-backend")]).toEqual([
      502,
      exchange.id,
      exchange.attempts[0]?.backend,
    ]);
  });

  test("what the caller says a request is for is in the record", async () => {
    await using stage = await scene({ script: [completion] });
    await stage.post("/chat/completions", { ...chatRequest(model), user: "u-1", metadata: { a: "b" } }, [
      ["X-Tollgate-Feature", "search"],
      ["X-Tollgate-Scenario", "nightly"],
      ["X-Tollgate-Session", "s-1"],
      ["User-Agent", "test/1"],
    ]);
    expect(await stage.onlyExchange()).toMatchObject({
      purpose: { feature: "search", scenario: "nightly", session: "s-1", metadata: { a: "b" } },
      caller: { user: "u-1", userAgent: "test/1", address: "127.0.0.1" },
      messageCount: 1,
    });
  });
});
