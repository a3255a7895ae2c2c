import { describe, expect, test } from "vitest";
import type { Field } from "../testing/http-wire.ts";
import { rawConnection, rawRequest } from "../testing/raw-client.ts";
import { handshake, model, realtimeScene } from "../testing/realtime-scene.ts";

const withHeaders = (...more: readonly Field[]): readonly Field[] => [...handshake, ...more];
const without = (name: string, ...more: readonly Field[]): readonly Field[] => [
  ...handshake.filter(([key]) => key !== name),
  ...more,
];

/** Every value that the request had for a header, in order. */
const sent = (
  { rawHeaders }: { readonly rawHeaders: readonly string[] },
  name: string,
): readonly (string | undefined)[] =>
  rawHeaders.flatMap((key, i) => (i % 2 === 0 && key.toLowerCase() === name ? [rawHeaders[i + 1]] : []));

describe("what the backend is asked", () => {
  test("goes to the same path and query, byte for byte", async () => {
    await using stage = await realtimeScene();
    const query = `?model=${model}&x='"|%41%2f+..;[]#a`;
    await stage.rawSession(query);
    expect(stage.asked.map(({ url }) => url)).toEqual([`/v1/realtime${query}`]);
  });

  test("comes under our key, not the client's, however the client says it", async () => {
    await using stage = await realtimeScene();
    await stage.connect(undefined, {
      headers: {
        authorization: "Bearer sk-client",
        "openai-organization": "org-client",
        "api-key": "sk-client",
        cookie: "sk-client",
      },
      protocols: [
        "realtime",
        "openai-insecure-api-key.sk-client",
        "openai-organization.org-client",
        "openai-project.proj-client",
        "openai-beta.realtime-v1",
      ],
    });
    const [asked] = stage.asked;
    expect(asked?.headers.authorization).toBe("Bearer sk-backend-key");
    expect(asked?.headers["sec-websocket-protocol"]).toBe("realtime, openai-beta.realtime-v1");
    expect(JSON.stringify(asked?.rawHeaders)).not.toMatch(/client/);
  });

  test("comes under the client's own key where the backend takes that", async () => {
    await using stage = await realtimeScene({ keyless: true, backend: { passClientKey: true } });
    const protocols = ["realtime", "openai-insecure-api-key.sk-client", "openai-organization.org-client"];
    await stage.connect(undefined, { headers: { authorization: "Bearer sk-client" }, protocols });
    const [asked] = stage.asked;
    expect(asked?.headers.authorization).toBe("Bearer sk-client");
    expect(asked?.headers["sec-websocket-protocol"]).toBe(protocols.join(", "));
  });

  test("has no key at all where there is none", async () => {
    await using stage = await realtimeScene({ keyless: true });
    await stage.connect(undefined, { headers: { authorization: "Bearer sk-client" } });
    expect(stage.asked[0]?.headers.authorization).toBeUndefined();
  });

  test("has one handshake of its own, the client's other headers as they were, and what the operator adds", async () => {
    await using stage = await realtimeScene({ backend: { headers: { "X-Operator": "ours" } } });
    const key = "AAAAAAAAAAAAAAAAAAAAAA==";
    const session = await stage.rawSession(
      undefined,
      without(
        "Sec-WebSocket-Key",
        ["Sec-WebSocket-Key", key],
        ["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
        ["OpenAI-Beta", "realtime=v1"],
        ["X-Many", "one"],
        ["X-Many", "two"],
        ["X-Operator", "the client's"],
        ["X-Tollgate-Feature", "voice"],
        ["Keep-Alive", "timeout=5"],
        ["Origin", "http://localhost:1"],
      ),
    );
    session.socket.destroy();
    const [asked = { rawHeaders: [] }] = stage.asked;
    const once = (name: string) => expect(sent(asked, name), name).toHaveLength(1);
    for (const name of ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]) once(name);
    expect(sent(asked, "sec-websocket-key")).not.toContain(key);
    expect(sent(asked, "sec-websocket-extensions")).toEqual([]);
    expect(sent(asked, "openai-beta")).toEqual(["realtime=v1"]);
    expect(asked.rawHeaders).toContain("OpenAI-Beta");
    expect(sent(asked, "x-many")).toEqual(["one", "two"]);
    expect(sent(asked, "x-operator")).toEqual(["ours"]);
    for (const name of ["keep-alive", "origin", "x-tollgate-feature", "traceparent"]) {
      expect(sent(asked, name), name).toEqual([]);
    }
    expect(sent(asked, "x-request-id")).toEqual([session.header("x-request-id")]);
    const exchange = await stage.onlyExchange();
    expect(exchange.id).toBe(session.header("x-request-id"));
    expect(exchange.purpose).toEqual({ feature: "voice" });
  });

  test("has our trace where the backend is to know it", async () => {
    await using stage = await realtimeScene({ backend: { propagateTrace: true } });
    const here = await stage.connect(undefined, {
      headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=b" },
    });
    here.socket.close();
    const { trace, attempts } = await stage.onlyExchange();
    expect(trace.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(stage.asked[0]?.headers).toMatchObject({
      traceparent: expect.stringContaining(`-${attempts[0]?.spanId}-`),
      tracestate: "a=b",
    });
  });
});

describe("the answer to the client", () => {
  test("names the request and the backend, and says what the backend said that may cross", async () => {
    await using stage = await realtimeScene({
      headers: [
        "X-Request-Id: req_backend",
        "OpenAI-Version: 2020-10-01",
        "OpenAI-Organization: our-org",
        "Set-Cookie: a=b",
        "Keep-Alive: timeout=5",
      ],
    });
    const session = await stage.rawSession();
    const names = session.fields.map(([name]) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    expect(names.sort()).toEqual([
      "connection",
      "openai-version",
      "sec-websocket-accept",
      "server-timing",
      "upgrade",
      "x-request-id",
      "x-tollgate-backend",
      "x-tollgate-upstream-request-id",
    ]);
    // RFC 6455 §1.3 gives this answer to this key.
    expect(session.header("sec-websocket-accept")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    session.socket.destroy();
    const { id, attempts } = await stage.onlyExchange();
    expect(session.header("x-request-id")).toBe(id);
    expect(session.header("x-tollgate-backend")).toBe("fake");
    expect(attempts[0]?.upstreamRequestId).toBe("req_backend");
  });

  test("has the subprotocol that the backend chose", async () => {
    await using stage = await realtimeScene({ subprotocol: () => "second" });
    const here = await stage.connect(undefined, { protocols: ["first", "second", "openai-insecure-api-key.x"] });
    expect(here.socket.protocol).toBe("second");
  });

  test("has none where the backend chose none, and leaves it to the client to mind", async () => {
    await using stage = await realtimeScene({ subprotocol: () => false });
    const session = await stage.rawSession(undefined, withHeaders(["Sec-WebSocket-Protocol", "realtime"]));
    expect(session.header("sec-websocket-protocol")).toBeUndefined();
  });

  test("declines compression, and the session does without", async () => {
    await using stage = await realtimeScene();
    const here = await stage.connect(undefined, { perMessageDeflate: { threshold: 0 } });
    const there = await stage.there();
    expect([here.socket.extensions, there.socket.extensions]).toEqual(["", ""]);
    here.socket.send("plain");
    await there.got(1);
    expect(there.texts).toEqual(["plain"]);
  });
});

describe("a handshake that is none", () => {
  test.each<readonly [string, readonly Field[]]>([
    ["without a key", without("Sec-WebSocket-Key")],
    ["with a short key", without("Sec-WebSocket-Key", ["Sec-WebSocket-Key", "abc"])],
    ["with two keys", withHeaders(["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="])],
    ["without a version", without("Sec-WebSocket-Version")],
    ["of another version", without("Sec-WebSocket-Version", ["Sec-WebSocket-Version", "12"])],
    ["with one subprotocol twice", withHeaders(["Sec-WebSocket-Protocol", "a, a"])],
    ["with a subprotocol that is no word", withHeaders(["Sec-WebSocket-Protocol", "a b"])],
    ["with an empty subprotocol", withHeaders(["Sec-WebSocket-Protocol", "a,,b"])],
  ])("(%s) is answered with 400, and no backend is asked", async (_, headers) => {
    await using stage = await realtimeScene();
    const answer = await stage.knock(undefined, headers);
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { code: "malformed_http" } }]);
    expect(answer.ended).toBe("complete");
    expect(stage.asked).toEqual([]);
    const exchange = await stage.onlyExchange();
    expect(exchange.outcome).toMatchObject({ kind: "refused", reason: "invalid", status: 400 });
    expect(exchange.attempts).toEqual([]);
  });

  test("with two Hosts is no request at all", async () => {
    await using stage = await realtimeScene();
    const answer = await stage.knock(undefined, withHeaders(["Host", "a"], ["Host", "b"]));
    expect(answer.status).toBe(400);
    expect(stage.asked).toEqual([]);
  });

  test("behind a request that is still being answered is an ordinary request, and its answer waits its turn", async () => {
    await using stage = await realtimeScene();
    const path = "/v1/realtime/a";
    const first = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const lines = handshake.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const second = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n`;
    const connection = await rawConnection(stage.tollgate.url);
    await connection.send(first + second);
    const [one, two] = [await connection.answer(), await connection.answer()];
    connection.leave();
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(stage.asked.map(({ headers }) => headers.upgrade)).toEqual([undefined, undefined]);
  });
});

describe("what is not for a session", () => {
  test("a plain GET goes its ordinary way", async () => {
    await using stage = await realtimeScene();
    const answer = await rawRequest(`${stage.tollgate.url}/realtime?model=${model}`, { method: "GET" });
    expect([answer.status, answer.json()]).toEqual([200, { path: `/v1/realtime?model=${model}` }]);
    const exchange = await stage.onlyExchange();
    expect(exchange).toMatchObject({ operation: "realtime", endpoint: "/v1/realtime", streamed: false });
    expect(exchange.outcome).toEqual({ kind: "completed", status: 200, finish: "ok" });
  });

  test.each([
    ["a POST of client secrets", "POST", "/realtime/client_secrets", []],
    ["a POST that asks for an upgrade", "POST", "/realtime/calls", handshake],
    ["an upgrade elsewhere", "GET", "/chat/completions", handshake],
    [
      "an upgrade to something else",
      "GET",
      "/realtime",
      [
        ["Connection", "Upgrade"],
        ["Upgrade", "h2c"],
      ],
    ],
  ] as const)("%s goes its ordinary way", async (_, method, path, headers) => {
    await using stage = await realtimeScene();
    const body = method === "POST" ? "{}" : "";
    const answer = await rawRequest(stage.tollgate.url + path, { method, headers, body });
    expect([answer.status, answer.json()]).toEqual([200, { path: `/v1${path}` }]);
    expect(stage.asked.map(({ headers }) => headers.upgrade)).toEqual([undefined]);
    expect((await stage.onlyExchange()).outcome.status).toBe(200);
  });
});
