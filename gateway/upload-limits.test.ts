import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { answer, chunk, errorAnswer, hangUp, json } from "./testing/answers.ts";
import { testLimits } from "./testing/harness.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const megabyte = 1024 * 1024;
const limits = testLimits({ jsonBytes: 20_000, bodyBytes: 400_000 });

describe("a body that is too large is refused in OpenAI's shape", () => {
  const big = Buffer.alloc(500_000, "x");
  const jsonBody = Buffer.from(JSON.stringify({ ...chatRequest("gpt-4o-mini"), pad: "x".repeat(30_000) }));
  const bomb = gzipSync(Buffer.alloc(50 * megabyte));
  const type = (value: string): Field => ["Content-Type", value];
  test.each([
    ["JSON, announced", "/chat/completions", jsonBody, [type("application/json")], false, 0],
    ["JSON, chunked", "/chat/completions", jsonBody, [type("application/json")], true, 0],
    [
      "JSON that unpacks to 50 MB",
      "/chat/completions",
      bomb.subarray(0),
      [type("application/json"), ["Content-Encoding", "gzip"]],
      false,
      0,
    ],
    ["an upload, announced", "/files", big, [type("application/octet-stream")], false, 0],
    ["an upload, chunked", "/files", big, [type("application/octet-stream")], true, 1],
  ] as const)("%s", async (_, path, body, headers, chunked, reached) => {
    const config = {
      limits: path === "/chat/completions" && body === bomb ? { ...limits, jsonBytes: megabyte } : limits,
    };
    await using stage = await scene({ config, fake: { otherwise: json({}) } });
    const url = stage.at(path);
    const connection = await rawConnection(url);
    const framing: Field[] = chunked ? [["Transfer-Encoding", "chunked"]] : [["Content-Length", String(body.length)]];
    connection.send(requestBytes(url, { headers: [...headers, ...framing] })).catch(() => undefined);
    connection.send(chunked ? Buffer.concat([chunk(body), Buffer.from("0\r\n\r\n")]) : body).catch(() => undefined);
    const got = await connection.answer();
    expect(got.status).toBe(413);
    expect(got.json()).toMatchObject({
      error: { code: "request_too_large", type: "invalid_request_error", param: null },
    });
    connection.leave();
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "too_large", status: 413 });
    expect(stage.backend.received.length).toBeLessThanOrEqual(reached);
    for (const request of stage.backend.received) expect(request.bodyComplete).toBe(false);
  });

  test("and the connection serves the next request", async () => {
    await using stage = await scene({ config: { limits }, script: [json(chatCompletion("gpt-4o-mini"))] });
    const url = stage.at("/chat/completions");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { body: jsonBody }));
    expect((await connection.answer()).status).toBe(413);
    await connection.send(requestBytes(url, { body: JSON.stringify(chatRequest("gpt-4o-mini")) }));
    expect((await connection.answer()).status).toBe(200);
    connection.leave();
  });
});

describe("Expect: 100-continue", () => {
  const expecting = (path: string, length: number) => ({
    path,
    headers: [
      ["Expect", "100-continue"],
      ["Content-Type", "application/json"],
      ["Content-Length", String(length)],
    ] as const,
  });
  test.each(["/chat/completions", "/files"])("is answered by the gateway (%s), and never crosses", async (path) => {
    const body = JSON.stringify(chatRequest("gpt-4o-mini"));
    await using stage = await scene({ script: [json(chatCompletion("gpt-4o-mini"))] });
    const url = stage.at(path);
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: expecting(path, body.length).headers }));
    expect((await connection.head()).status).toBe(100);
    await connection.send(body);
    expect((await connection.answer()).status).toBe(200);
    connection.leave();
    expect(stage.backend.received[0]?.body.toString()).toBe(body);
  });

  test.each(["/chat/completions", "/files"])("of a body that is too large gets 413 at once (%s)", async (path) => {
    await using stage = await scene({ config: { limits } });
    const url = stage.at(path);
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: expecting(path, 9_000_000).headers }));
    expect((await connection.head()).status).toBe(413);
    connection.leave();
    expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: "too_large" });
  });

  test("of an expectation that nobody knows is refused in OpenAI's shape", async () => {
    await using stage = await scene();
    const got = await stage.ask("/chat/completions", { headers: [["Expect", "200-ok"]], body: "{}" });
    expect(got.status).toBe(417);
    expect(got.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });
});

describe("a slow upload", () => {
  test("is the client's time, not the backend's", async () => {
    await using stage = await scene({ script: [json({})] });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "6"]], body: "abc" }));
    const request = await stage.backend.request(0);
    await expect.poll(() => request.bodyBytes).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 80));
    await connection.send("def");
    expect((await connection.answer()).status).toBe(200);
    connection.leave();
    const { phases } = await stage.onlyExchange();
    expect(phases.receive).toBeGreaterThan(0.075);
    expect(phases.firstByte).toBeLessThan(0.06);
  });

  test.each(["/chat/completions", "/files"])("that does not arrive in time is refused (%s)", async (path) => {
    await using stage = await scene({
      config: { limits: { ...limits, receiveSeconds: 0.15 } },
      fake: { otherwise: json({}) },
    });
    const url = stage.at(path);
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "9"]], body: '{"a' }));
    const got = await connection.answer();
    connection.leave();
    expect([got.status, got.json()]).toMatchObject([408, { error: { code: "request_timeout" } }]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "invalid", status: 408 });
    for (const request of stage.backend.received) expect(request.bodyComplete).toBe(false);
  });
});

describe("a body that breaks off or makes no sense", () => {
  test.each(["leave", "reset"] as const)("a client that goes away in mid-upload (%s) is abandoned", async (way) => {
    await using stage = await scene({ script: [json({})] });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "99"]], body: "abc" }));
    const request = await stage.backend.request(0);
    await expect.poll(() => request.bodyBytes).toBe(3);
    connection[way]();
    expect(await request.ended).toBe("left");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toEqual({ kind: "abandoned", status: 499 });
    expect([exchange.bytes.request, request.bodyComplete]).toEqual([3, false]);
  });

  test.each([
    ["is not JSON", '{"model": ', [], 400, "invalid_json"],
    ["is not what its encoding says", "plain", [["Content-Encoding", "gzip"]], 400, "invalid_encoding"],
    ["has an encoding nobody knows", "plain", [["Content-Encoding", "rot13"]], 400, "invalid_encoding"],
  ] as const)("a JSON body that %s is refused, and no backend is asked", async (_, body, headers, status, code) => {
    await using stage = await scene();
    const got = await stage.ask("/chat/completions", {
      headers: [["Content-Type", "application/json"], ...headers],
      body,
    });
    expect(got.status).toBe(status);
    expect(got.json()).toMatchObject({ error: { type: "invalid_request_error", code } });
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "invalid", status });
    expect(stage.backend.received).toEqual([]);
    expect(got.text).not.toContain("plain");
  });

  test.each(["", "{}", "[1,2]", '{"messages":[]}'])(
    "a body that names no model (%s) is the backend's to judge",
    async (body) => {
      await using stage = await scene({ script: [errorAnswer(400, "you must provide a model parameter")] });
      const got = await stage.ask("/chat/completions", { headers: [["Content-Type", "application/json"]], body });
      expect([got.status, got.json()]).toMatchObject([
        400,
        { error: { message: "you must provide a model parameter" } },
      ]);
      expect(stage.backend.received[0]?.body.toString()).toBe(body);
      const exchange = await stage.onlyExchange();
      expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "upstream_rejected" });
      expect(exchange.model.requested).toBeUndefined();
    },
  );

  test("a backend that answers before the body is complete is heard", async () => {
    await using stage = await scene({ script: [errorAnswer(413, "too much for me", { early: true })] });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "6"]], body: "abc" }));
    const got = await connection.answer();
    expect([got.status, got.json()]).toMatchObject([413, { error: { message: "too much for me" } }]);
    await connection.send("def").catch(() => undefined);
    connection.leave();
    expect((await stage.onlyExchange()).outcome).toMatchObject({
      kind: "refused",
      reason: "upstream_rejected",
      status: 413,
    });
  });

  test("a backend that dies in mid-upload is unreachable, and the client is told while it still sends", async () => {
    await using stage = await scene({
      script: [
        async (turn) => {
          turn.cut = true;
          await turn.reset();
        },
      ],
    });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { headers: [["Content-Length", "9000000"]], body: Buffer.alloc(1000) }));
    const got = await connection.answer();
    expect([got.status, got.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
    connection.leave();
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "failed", reason: "unreachable" });
  });

  test("a backend that hangs up after the whole upload is unreachable, and asked once", async () => {
    await using stage = await scene({ script: [hangUp("reset"), answer()] });
    const got = await stage.ask("/files", { headers: [["Content-Type", "application/octet-stream"]], body: "abc" });
    expect(got.status).toBe(502);
    expect(stage.backend.received).toHaveLength(1);
  });
});
