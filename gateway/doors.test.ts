import { describe, expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import { CutOff } from "./testing/byte-reader.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { type RawAnswer, rawConnection } from "./testing/raw-client.ts";
import { type Scene, scene } from "./testing/scene.ts";

/** Sends bytes, and reads answers until the gateway closes or `count` have come. */
async function answersTo(stage: Scene, bytes: Buffer | string, count = 1): Promise<RawAnswer[]> {
  const connection = await rawConnection(stage.tollgate.url);
  // Where the gateway keeps the connection open, a second of silence says that no further answer will come.
  connection.socket.setTimeout(1_000, () => connection.reset());
  const answers: RawAnswer[] = [];
  connection.send(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes).catch(() => undefined);
  try {
    while (answers.length < count) answers.push(await connection.answer());
  } catch (error) {
    if (!(error instanceof CutOff) || error.partial.length > 0) throw error;
  } finally {
    connection.leave();
  }
  return answers;
}

/** A 4xx that an OpenAI SDK can read, and that says nothing about the inside. */
function expectClean(answer: RawAnswer | undefined, status?: number): void {
  expect(answer?.status).toBeGreaterThanOrEqual(400);
  expect(answer?.status).toBeLessThan(500);
  if (status !== undefined) expect(answer?.status).toBe(status);
  expect(answer?.header("content-type")).toBe("application/json");
  expect(answer?.json()).toMatchObject({
    error: { message: expect.any(String), type: expect.any(String), code: expect.any(String) },
  });
  expect(answer?.text).not.toMatch(/127\.0\.0\.1|node:|\.ts|at .*:\d+/);
}

const get =
  (target: string, more = "") =>
  (host: string) =>
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;

describe("a target that is no plain path under /v1 is refused, and no backend hears of it", () => {
  test.each([
    "http://evil.example/v1/models",
    "https://evil.example/v1/models",
    "http://evil.example:80@127.0.0.1/v1/models",
    "/v1/../admin",
    "/v1/..",
    "/v1/files/../../admin",
    "/v1/./models",
    "/v1/%2e%2e/admin",
    "/v1/%2E%2e/admin",
    "/v1/.%2e/admin",
    "/v1/files/%2e",
    "/v1/files/a%2fb",
    "/v1/files/..%2f..%2fadmin",
    "/v1/models/..%2f..%2fadmin",
    "/v1/models/%2e%2e%2fadmin",
    "/v1/models/a%2F..%2F..%2Fadmin",
    "/v1/models/%2f%2fevil.example",
    "/v1/files\\..\\admin",
    "/v1\\models",
    "/v1/files/%5c..%5cadmin",
    "//evil.example/v1/models",
    "/v1//models",
    "/v1//evil.example/x",
    "/v1/files/a%00b",
    "/v1/files/a%0d%0aX:1",
    "/v1/files/\u00e9",
    "/v1/files/#fragment",
    "/v1/files/;/../x",
    "*",
    "v1/models",
    "?/v1/models",
  ])("%s", async (target) => {
    await using stage = await scene();
    const host = new URL(stage.tollgate.url).host;
    const [answer] = await answersTo(stage, get(target)(host));
    expectClean(answer);
    expect(stage.backend.received).toEqual([]);
  });

  test("an absolute form of our own address is refused too, and the record says why", async () => {
    await using stage = await scene();
    const host = new URL(stage.tollgate.url).host;
    const [answer] = await answersTo(stage, get(`http://${host}/v1/models`)(host));
    expectClean(answer, 400);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "invalid", status: 400 });
  });

  test("CONNECT opens no tunnel", async () => {
    await using stage = await scene();
    const answers = await answersTo(stage, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n");
    expectClean(answers[0]);
  });

  test("TRACE is not echoed", async () => {
    await using stage = await scene({ fake: { otherwise: json({}) } });
    const host = new URL(stage.tollgate.url).host;
    const [answer] = await answersTo(stage, `TRACE /v1/files HTTP/1.1\r\nHost: ${host}\r\nX-Secret: hush\r\n\r\n`);
    expect(answer?.text).not.toContain("hush");
  });
});

describe("the upstream's origin comes from the config alone", () => {
  const body = JSON.stringify(chatRequest("gpt-4o-mini"));
  test.each([
    ["a foreign Host", "Host: evil.example\r\n"],
    ["a Host with a path", "Host: evil.example/v1\r\n"],
    ["X-Forwarded-Host", "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n"],
    ["Forwarded", "Host: localhost\r\nForwarded: host=evil.example;proto=https\r\n"],
    ["X-Original-URL", "Host: localhost\r\nX-Original-URL: http://evil.example/\r\n"],
    ["X-Base-URL", "Host: localhost\r\nX-Base-URL: http://evil.example/\r\nX-Upstream: http://evil.example\r\n"],
  ])("%s does not move it", async (_, fields) => {
    await using stage = await scene({ fake: { otherwise: json(chatCompletion("gpt-4o-mini")) } });
    await answersTo(
      stage,
      `POST /v1/chat/completions HTTP/1.1\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    // The fake backend complains about any Host but its own when the scene ends.
    for (const request of stage.backend.received) expect(request.target).toBe("/v1/chat/completions");
  });
});

describe("a web page of another origin", () => {
  test.each([
    ["another site", "https://evil.example", 403],
    ["an opaque origin", "null", 403],
    ["a name that begins like ours", "http://localhost.evil.example", 403],
    ["a user part like ours", "http://localhost@evil.example", 403],
    ["a file", "file://", 403],
    ["a page of this machine", "http://localhost:5173", 200],
  ])("(%s) is judged by its Origin", async (_, origin, status) => {
    await using stage = await scene({ fake: { otherwise: json({ ok: true }) } });
    const host = new URL(stage.tollgate.url).host;
    const [answer] = await answersTo(stage, get("/v1/files", `Origin: ${origin}\r\n`)(host));
    expect(answer?.status).toBe(status);
    expect(answer?.header("access-control-allow-origin")).toBeUndefined();
    expect(stage.backend.received).toHaveLength(status === 200 ? 1 : 0);
    if (status === 403) expectClean(answer, 403);
    expect((await stage.onlyExchange()).outcome.kind).toBe(status === 200 ? "completed" : "refused");
  });

  test("that had its own name point here gives itself away by Host", async () => {
    await using stage = await scene({ fake: { otherwise: json({}) } });
    const [answer] = await answersTo(
      stage,
      get("/v1/files", "Origin: http://evil.example:8088\r\n")("evil.example:8088"),
    );
    expectClean(answer, 403);
    expect(stage.backend.received).toEqual([]);
  });

  test("is let in when the config names it, and told so", async () => {
    const origins = ["https://app.example"];
    await using stage = await scene({ config: { cors: { origins } }, fake: { otherwise: json({}) } });
    const host = new URL(stage.tollgate.url).host;
    const ask = async (origin: string) => (await answersTo(stage, get("/v1/files", `Origin: ${origin}\r\n`)(host)))[0];
    const [friend, stranger] = [await ask("https://app.example"), await ask("https://evil.example")];
    expect([friend?.status, friend?.header("access-control-allow-origin"), friend?.header("vary")]).toEqual([
      200,
      "https://app.example",
      "origin",
    ]);
    expect([stranger?.status, stranger?.header("access-control-allow-origin")]).toEqual([403, undefined]);
  });
});

describe("framing that two readers could read differently is refused, and nothing behind it is served", () => {
  const smuggled = "GET /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const post = (fields: string, body = smuggled) =>
    `POST /v1/files HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${body}`;
  test.each([
    [
      "content-length with transfer-encoding",
      post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    [
      "transfer-encoding with content-length",
      post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", `0\r\n\r\n${smuggled}`),
    ],
    ["two lengths that differ", post("Content-Length: 0\r\nContent-Length: 5\r\n")],
    ["two lengths that agree", post("Content-Length: 0\r\nContent-Length: 0\r\n")],
    ["a list of lengths", post("Content-Length: 0, 5\r\n")],
    ["a signed length", post("Content-Length: +5\r\n")],
    ["a negative length", post("Content-Length: -5\r\n")],
    ["a hexadecimal length", post("Content-Length: 0x5\r\n")],
    ["a length with a space", post("Content-Length: 1 2\r\n")],
    ["an endless length", post("Content-Length: 99999999999999999999999\r\n")],
    ["an unknown coding", post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunked not last", post("Transfer-Encoding: chunked, identity\r\n", `0\r\n\r\n${smuggled}`)],
    ["a tab before chunked", post("Transfer-Encoding:\x0bchunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a space before the colon", post("Content-Length : 5\r\n")],
    ["a folded field", post("X-A: 1\r\n 2\r\nContent-Length: 0\r\n")],
    ["a folded framing", post("Transfer-Encoding:\r\n chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["a bare LF in the head", post("X-A: 1\nContent-Length: 0\r\n")],
    ["bare LFs throughout", smuggled.replaceAll("\r", "")],
    ["a bare CR in a field", post("X-A: 1\rX-B: 2\r\nContent-Length: 0\r\n")],
    ["a NUL in a field", post("X-A: a\0b\r\nContent-Length: 0\r\n")],
    ["a field without a name", post(": x\r\nContent-Length: 0\r\n")],
    ["no Host", "GET /v1/files HTTP/1.1\r\n\r\n"],
    ["two Hosts", "GET /v1/files HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"],
    ["an endless chunk size", post("Transfer-Encoding: chunked\r\n", `fffffffffffffffff\r\n${smuggled}`)],
    ["a chunk size of no number", post("Transfer-Encoding: chunked\r\n", `zz\r\n${smuggled}`)],
    ["a chunk size that ends in a bare LF", post("Transfer-Encoding: chunked\r\n", `0\n\n${smuggled}`)],
    ["a chunk that is longer than it says", post("Transfer-Encoding: chunked\r\n", `1\r\nabc\r\n0\r\n\r\n${smuggled}`)],
    ["an unknown method", "FROB /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["a method in small letters", "get /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/0.9", "GET /v1/files\r\n\r\n"],
    ["an unknown version", "GET /v1/files HTTP/3.7\r\nHost: localhost\r\n\r\n"],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("%s", async (_, bytes) => {
    await using stage = await scene({ fake: { otherwise: json({ served: true }) } });
    const answers = await answersTo(stage, bytes, 2);
    expect(answers).toHaveLength(1);
    expectClean(answers[0]);
    for (const request of stage.backend.received)
      expect([request.method, request.bodyComplete]).toEqual(["POST", false]);
    // The gateway is none the worse for it.
    const [well] = await answersTo(stage, smuggled);
    expect(well?.status).toBe(200);
  });

  test.each([
    ["of 100 KB in one field", `X-A: ${"y".repeat(100_000)}\r\n`],
    ["of 100 KB in many", "X-A: y\r\n".repeat(12_000)],
    ["of 100 KB in the target", ""],
  ])("a head %s is refused as too large", async (_, fields) => {
    await using stage = await scene();
    const target = fields === "" ? `/v1/files?${"q".repeat(100_000)}` : "/v1/files";
    const [answer] = await answersTo(stage, get(target, fields)("localhost"));
    expectClean(answer, 431);
    expect(stage.backend.received).toEqual([]);
  });
});

describe("what stands beside /v1", () => {
  test.each(["/", "/analytics/events", "/api/metrics", "/console", "/metrics", "/v2/models", "/V1/models", "/.env"])(
    "%s answers a local client without a record, and a foreign Host not at all",
    async (path) => {
      await using stage = await scene();
      const host = new URL(stage.tollgate.url).host;
      const [near] = await answersTo(stage, get(path)(host));
      const [far] = await answersTo(stage, get(path)("evil.example"));
      const [page] = await answersTo(stage, get(path, "Origin: https://evil.example\r\n")(host));
      expectClean(near, 404);
      expectClean(far, 401);
      expectClean(page, 401);
      expect(stage.backend.received).toEqual([]);
    },
  );

  test("with an admin token configured, it needs the token even from here", async () => {
    await using stage = await scene({ config: { adminToken: "let-me-in" } });
    const host = new URL(stage.tollgate.url).host;
    const ask = async (more: string) => (await answersTo(stage, get("/analytics/events", more)(host)))[0]?.status;
    expect([
      await ask(""),
      await ask("Authorization: Bearer let-me-in\r\n"),
      await ask("Authorization: Bearer let-me-ix\r\n"),
    ]).toEqual([401, 404, 401]);
  });
});
