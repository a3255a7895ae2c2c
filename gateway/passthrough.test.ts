import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { answer, json } from "./testing/answers.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { rawConnection, requestBytes } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const model = "gpt-4o-mini";
const completion = json(chatCompletion(model, { input: 1, output: 2 }));

describe("the target", () => {
  test.each(
    [
      "/models?limit=2&after=a%20b&after=&x=%2F..%2f&q=é&&=",
      "/files/file-1/content?",
      "/models/org%2Fname",
      "/vector_stores/vs_1/files?filter=in_progress",
      "/something/new;v=1/a+b/@c:d/~e?x=1#",
    ].map((target) => target.replace("é", "%C3%A9").replace(/#$/, "")),
  )("%s crosses as it is written", async (target) => {
    await using stage = await scene({ script: [json({})] });
    await stage.ask("", { method: "GET", target: `/v1${target}` });
    expect(stage.backend.received[0]?.target).toBe(`/v1${target}`);
  });

  test("the query is nowhere in the record", async () => {
    await using stage = await scene({ script: [json({})] });
    await stage.ask("", { method: "GET", target: "/v1/files/file-secret-name?token=hush" });
    const exchange = await stage.onlyExchange();
    expect(exchange.endpoint).toMatch(/^\/v1\/files\/\{/);
    expect(JSON.stringify(exchange)).not.toMatch(/hush|file-secret-name/);
  });

  test.each([
    ["GET", "/something/new/4711"],
    ["PATCH", "/threads/1/runs"],
    ["DELETE", "/something"],
    ["PUT", "/a"],
  ])("%s on %s, which nobody knows, goes through as `other`, metered", async (method, path) => {
    await using stage = await scene({ script: [json({ a: 1 })] });
    const got = await stage.ask(path, { method, headers: [["Content-Type", "application/json"]], body: '{"b":2}' });
    expect([got.status, got.text]).toEqual([200, '{"a":1}']);
    const [request] = stage.backend.received;
    expect([request?.method, request?.target, request?.body.toString()]).toEqual([method, `/v1${path}`, '{"b":2}']);
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({
      operation: "other",
      method,
      bytes: { request: 7, response: 7 },
      outcome: { kind: "completed" },
    });
    expect(exchange.endpoint).not.toContain("4711");
    expect(exchange.usageSource).toBeUndefined();
  });
});

describe("the answer", () => {
  test.each([
    [200, "OK"],
    [201, "Created"],
    [202, "Later, maybe"],
    [206, "Partial Content"],
    [301, "Moved Permanently"],
    [307, "Temporary Redirect"],
  ])("%i %s crosses, and redirects are not followed", async (status, reason) => {
    await using stage = await scene({
      script: [answer({ status, reason, body: "abc", headers: [["Location", "http://192.0.2.1/x"]] })],
    });
    const got = await stage.ask("/files", { method: "GET" });
    expect([got.status, got.statusText, got.text, got.header("location")]).toEqual([
      status,
      reason,
      "abc",
      "http://192.0.2.1/x",
    ]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "completed", status });
  });

  test.each([204, 304])("%i has no body, and the connection goes on", async (status) => {
    await using stage = await scene({
      script: [answer({ status, reason: "x", framing: "none" }), json({ next: true })],
    });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    await connection.send(requestBytes(url, { method: "GET" }));
    const got = await connection.answer();
    expect([got.status, got.header("transfer-encoding"), got.header("content-length")]).toEqual([
      status,
      undefined,
      undefined,
    ]);
    await connection.send(requestBytes(url, { method: "GET" }));
    expect((await connection.answer()).json()).toEqual({ next: true });
    connection.leave();
  });

  test("HEAD crosses, with the length of what is not sent", async () => {
    await using stage = await scene({
      script: [
        answer({
          framing: "none",
          headers: [
            ["Content-Length", "4711"],
            ["Content-Type", "a/b"],
          ],
        }),
      ],
    });
    const got = await stage.ask("/files/1/content", { method: "HEAD" });
    expect(stage.backend.received[0]?.method).toBe("HEAD");
    expect([got.status, got.body.length, got.header("content-length"), got.header("content-type")]).toEqual([
      200,
      0,
      "4711",
      "a/b",
    ]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "completed", status: 200 });
  });

  test("OPTIONS is answered here, without the backend", async () => {
    await using stage = await scene();
    const got = await stage.ask("/chat/completions", { method: "OPTIONS" });
    expect([got.status, got.header("access-control-allow-origin")]).toEqual([204, undefined]);
    expect(got.header("allow")).toContain("POST");
  });

  test("a length stays a length, chunks stay chunks or become a length, and no byte differs", async () => {
    const body = "z".repeat(70_000);
    await using stage = await scene({
      script: [answer({ body }), answer({ body: [body.slice(0, 9), 20, body.slice(9)] })],
    });
    const first = await stage.ask("/files/1/content", { method: "GET" });
    const second = await stage.ask("/files/1/content", { method: "GET" });
    expect([first.header("content-length"), first.text === body, second.text === body]).toEqual(["70000", true, true]);
  });

  test("trailers reach a client that takes them, and no other", async () => {
    const trailing = answer({ body: ["a", 20, "b"], headers: [["Trailer", "X-Sum"]], trailers: [["X-Sum", "42"]] });
    await using stage = await scene({ script: [trailing, trailing] });
    const willing = await stage.ask("/files/1/content", {
      method: "GET",
      headers: [
        ["TE", "trailers"],
        ["Connection", "TE"],
      ],
    });
    const other = await stage.ask("/files/1/content", { method: "GET" });
    expect([willing.text, willing.trailers, other.text, other.trailers]).toEqual(["ab", [["X-Sum", "42"]], "ab", []]);
  });

  test("compressed for the client that asked, where nothing is metered", async () => {
    const packed = gzipSync("hello");
    await using stage = await scene({ script: [answer({ body: packed, headers: [["Content-Encoding", "gzip"]] })] });
    const got = await stage.ask("/files/1/content", { method: "GET", headers: [["Accept-Encoding", "gzip, br"]] });
    expect(stage.backend.received[0]?.header("accept-encoding")).toBe("gzip, br");
    expect([got.body.equals(packed), got.header("content-encoding")]).toEqual([true, "gzip"]);
  });

  test("a metered endpoint asks for plain text, whatever the client takes", async () => {
    await using stage = await scene({ script: [completion] });
    await stage.post("/chat/completions", chatRequest(model), [["Accept-Encoding", "gzip, br"]]);
    expect(stage.backend.received[0]?.fields.filter(([name]) => name.toLowerCase() === "accept-encoding")).toEqual([
      ["accept-encoding", "identity"],
    ]);
  });

  test("two requests sent at once on one connection are answered in order", async () => {
    await using stage = await scene({ script: [json({ n: 1 }, { delay: 30 }), json({ n: 2 })] });
    const url = stage.at("/files");
    const connection = await rawConnection(url);
    const one = requestBytes(url, { method: "GET" });
    await connection.send(Buffer.concat([one, one]));
    expect((await connection.answer()).json()).toEqual({ n: 1 });
    expect((await connection.answer()).json()).toEqual({ n: 2 });
    connection.leave();
    expect(await stage.tollgate.settled(2)).toHaveLength(2);
  });

  test("an HTTP/1.0 client sees a broken answer as broken, not as complete", async () => {
    await using stage = await scene({ script: [answer({ body: ["abc", 30], end: "reset" })] });
    const connection = await rawConnection(stage.at(""));
    await connection.send(`GET /v1/files HTTP/1.0\r\nHost: ${new URL(stage.tollgate.url).host}\r\n\r\n`);
    expect(await connection.closed()).toBe("reset");
  });
});
