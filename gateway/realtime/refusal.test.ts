import { createServer, type Server } from "node:net";
import { describe, expect, test } from "vitest";
import { backendAt, startTollgate } from "../testing/harness.ts";
import { rawRequest } from "../testing/raw-client.ts";
import type { Upgrade } from "../testing/realtime-backend.ts";
import { handshake, model, realtimeScene } from "../testing/realtime-scene.ts";

/** A backend that answers an upgrade with these bytes, and ends. */
const saying =
  (bytes: string): Upgrade =>
  (_, socket) =>
    void socket.end(bytes);

const refusing = (status: number, body: string, ...lines: readonly string[]) =>
  saying([`HTTP/1.1 ${status} No`, `Content-Length: ${Buffer.byteLength(body)}`, ...lines, "", body].join("\r\n"));

const openAiError = (message: string) => JSON.stringify({ error: { message, type: "x", param: null, code: "y" } });

describe("an upgrade that a backend turns down", () => {
  test.each([401, 403])("under our key (%i) is our own failure, and says nothing of the key", async (status) => {
    const upgrade = refusing(status, openAiError("Incorrect API key: sk-ba*****key"), "WWW-Authenticate: Bearer");
    await using stage = await realtimeScene({ upgrade });
    const answer = await stage.knock();
    expect([answer.status, answer.json()]).toMatchObject([502, { error: { code: "backend_auth_failed" } }]);
    expect(answer.text).not.toContain("sk-");
    expect(answer.header("www-authenticate")).toBeUndefined();
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "upstream_auth", status: 502 });
    expect(exchange.attempts).toMatchObject([{ status, result: "failed", reason: "upstream_auth" }]);
    expect(exchange.bytes.response).toBe(answer.body.length);
  });

  test.each([
    [400, "refused", "upstream_rejected"],
    [404, "refused", "upstream_rejected"],
    [408, "failed", "timeout"],
    [429, "failed", "upstream_limited"],
    [500, "failed", "upstream_status"],
    [503, "failed", "upstream_status"],
  ] as const)(
    "with %i has the backend's own answer, and the outcome of the table (%s, %s)",
    async (status, kind, reason) => {
      const body = openAiError("There is no model 'x'.");
      const upgrade = refusing(status, body, "Retry-After: 7", "Content-Type: application/json", "Set-Cookie: a=b");
      await using stage = await realtimeScene({ upgrade });
      const answer = await stage.knock();
      expect([answer.status, answer.text]).toEqual([status, body]);
      expect([answer.header("retry-after"), answer.header("set-cookie")]).toEqual(["7", undefined]);
      expect(answer.header("x-tollgate-backend")).toBe("fake");
      expect(answer.ended).toBe("complete");
      const exchange = await stage.onlyExchange();
      expect(exchange.outcome).toMatchObject({ kind, reason, status, message: "There is no model 'x'." });
      expect(exchange.attempts).toMatchObject([{ status, result: kind, reason }]);
      expect(exchange.bytes).toEqual({ request: 0, response: body.length });
      expect(exchange.usageSource).toBeUndefined();
      expect(exchange.cost).toBeUndefined();
    },
  );

  test("under the client's own key (401) is the client's to mend", async () => {
    const body = openAiError("Incorrect API key: sk-client");
    await using stage = await realtimeScene({
      keyless: true,
      backend: { passClientKey: true },
      upgrade: refusing(401, body),
    });
    const answer = await stage.knock();
    expect([answer.status, answer.text]).toEqual([401, body]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "auth", status: 401 });
  });

  test.each([
    ["in more words than an error has", refusing(404, "x".repeat(100_000))],
    ["in an answer that breaks off", saying("HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\nhalf")],
  ])("%s has the table's own answer", async (_, upgrade) => {
    await using stage = await realtimeScene({ upgrade });
    const answer = await stage.knock();
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code: "upstream_rejected" } }]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ reason: "upstream_rejected", status: 400 });
  });
});

describe("a backend that gives no proper answer", () => {
  test.each([
    ["a success that is none", refusing(200, "hello")],
    ["a redirect", refusing(302, "", "Location: http://127.0.0.1:1/")],
    ["no HTTP", saying("SSH-2.0-OpenSSH\r\n\r\n")],
    [
      "a false Sec-WebSocket-Accept",
      saying("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"),
    ],
    ["another protocol", saying("HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")],
  ])("(%s) is a bad answer", async (_, upgrade) => {
    await using stage = await realtimeScene({ upgrade });
    const answer = await stage.knock();
    expect([answer.status, answer.json()]).toMatchObject([502, { error: { code: "backend_bad_answer" } }]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "broken_stream", status: 502 });
    expect(exchange.attempts).toMatchObject([{ result: "failed", reason: "broken_stream" }]);
  });

  test("but an extension or subprotocol that nobody offered is a bad answer", async () => {
    for (const line of ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: other"]) {
      await using stage = await realtimeScene({ headers: [line] });
      expect((await stage.knock()).json()).toMatchObject({ error: { code: "backend_bad_answer" } });
    }
  });

  test("but ends the connection is unreachable", async () => {
    await using stage = await realtimeScene({ upgrade: (_, socket) => void socket.destroy() });
    const answer = await stage.knock();
    expect([answer.status, answer.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "failed", reason: "unreachable", status: 502 });
  });

  test("but thinks too long about the upgrade has timed out", async () => {
    await using stage = await realtimeScene({
      backend: { timeouts: { connect: 5, firstByte: 0.1, idle: 5, total: 0 } },
      upgrade: () => undefined,
    });
    const answer = await stage.knock();
    expect([answer.status, answer.json()]).toMatchObject([504, { error: { code: "backend_timeout" } }]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "failed", reason: "timeout", status: 504 });
    expect(exchange.phases.firstByte).toBeGreaterThan(0.09);
    expect(exchange.attempts[0]?.connectSeconds).toBeLessThan(0.09);
  });

  test("but thinks longer than the whole attempt may take has timed out", async () => {
    await using stage = await realtimeScene({
      backend: { timeouts: { connect: 5, firstByte: 5, idle: 5, total: 0.1 } },
      upgrade: () => undefined,
    });
    expect((await stage.knock()).json()).toMatchObject({ error: { code: "backend_total_timeout" } });
    expect((await stage.onlyExchange()).attempts).toMatchObject([{ result: "failed", reason: "timeout" }]);
  });
});

describe("a backend that takes no connection", () => {
  const listening = (server: Server) =>
    new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  const url = (tollgate: { readonly url: string }) => `${tollgate.url}/realtime?model=${model}`;

  test("is unreachable, and after some failures down", async () => {
    const server = createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const tollgate = await startTollgate({ backends: [backendAt(`http://127.0.0.1:${port}`)] });
    for (let i = 0; i < 5; i++) {
      const answer = await rawRequest(url(tollgate), { method: "GET", headers: handshake });
      expect([answer.status, answer.json()]).toMatchObject([502, { error: { code: "backend_unreachable" } }]);
      expect(answer.text).not.toContain(String(port));
    }
    const exchanges = await tollgate.settled(5);
    expect(exchanges.map(({ outcome }) => outcome)).toMatchObject(
      Array.from({ length: 5 }, () => ({ kind: "failed", reason: "unreachable", status: 502 })),
    );
    expect(exchanges[0]?.attempts).toMatchObject([{ result: "failed", reason: "unreachable" }]);
    const text = await (await fetch(`${tollgate.opsUrl}/metrics`)).text();
    expect(text).toMatch(/^gateway_backend_up\{backend="fake"\} 0$/m);
    await tollgate.close();
  });

  test("in time, of TLS, has timed out while connecting", async () => {
    const mute = createServer((socket) => void socket.on("error", () => undefined).resume());
    const port = await listening(mute);
    const backend = backendAt(`https://127.0.0.1:${port}`, {
      timeouts: { connect: 0.1, firstByte: 5, idle: 5, total: 0 },
    });
    const tollgate = await startTollgate({ backends: [backend] });
    const answer = await rawRequest(url(tollgate), { method: "GET", headers: handshake });
    expect([answer.status, answer.json()]).toMatchObject([504, { error: { code: "backend_connect_timeout" } }]);
    const [exchange] = await tollgate.settled(1);
    expect(exchange?.outcome).toMatchObject({ kind: "failed", reason: "timeout", status: 504 });
    expect(exchange?.attempts[0]?.connectSeconds).toBeUndefined();
    await tollgate.close();
    await new Promise((resolve) => mute.close(resolve));
  });
});

describe("our own refusals", () => {
  test("a model that no backend serves is not found, in OpenAI's shape", async () => {
    await using stage = await realtimeScene({ backend: { models: ["gpt-realtime"] } });
    const answer = await stage.knock("?model=nope");
    expect([
      answer.status,
      answer.header("content-type"),
      answer.header("x-tollgate-backend"),
      answer.json(),
    ]).toMatchObject([
      404,
      "application/json",
      "gateway",
      { error: { code: "model_not_found", type: "invalid_request_error", param: "model" } },
    ]);
    expect(answer.header("connection")).toBe("close");
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "no_route", status: 404 });
    expect([exchange.model, exchange.attempts]).toEqual([{ requested: "nope" }, []]);
  });

  test("a page of another origin is kept out", async () => {
    await using stage = await realtimeScene();
    const answer = await stage.knock(undefined, [...handshake, ["Origin", "https://evil.example"]]);
    expect([answer.status, answer.json()]).toMatchObject([403, { error: { code: "origin_not_allowed" } }]);
    expect(stage.asked).toEqual([]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "auth", status: 403 });
  });

  test.each(["/../files", "/a%2fb", "\\x"])("a path that is none (%s) goes nowhere", async (path) => {
    await using stage = await realtimeScene();
    const answer = await rawRequest(`${stage.tollgate.url}/realtime`, {
      method: "GET",
      target: `/v1/realtime${path}`,
      headers: handshake,
    });
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code: "invalid_path" } }]);
    expect(stage.asked).toEqual([]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "refused", reason: "invalid", status: 400 });
  });

  test("a request without a model goes to the default backend", async () => {
    await using stage = await realtimeScene();
    for (const query of ["", "?intent=transcription", "?model=", "?call_id=rtc_1"]) {
      (await stage.rawSession(query)).socket.destroy();
    }
    expect(stage.asked.map(({ url }) => url)).toEqual([
      "/v1/realtime",
      "/v1/realtime?intent=transcription",
      "/v1/realtime?model=",
      "/v1/realtime?call_id=rtc_1",
    ]);
    const exchanges = await stage.tollgate.settled(4);
    expect(exchanges.map(({ model }) => model)).toEqual([{}, {}, {}, {}]);
  });
});
