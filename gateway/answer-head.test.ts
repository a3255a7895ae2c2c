import { describe, expect, test } from "vitest";
import { answer, raw } from "./testing/answers.ts";
import { rawConnection } from "./testing/raw-client.ts";
import { scene } from "./testing/scene.ts";

const get = { method: "GET" };

describe("an answer's first line", () => {
  const ok = "Content-Length: 2\r\n\r\nok";
  const passed = { kind: "completed", status: 200 };
  const bad = { kind: "failed", reason: "broken_stream", status: 502 };
  test.each([
    [
      "in UTF-8",
      `HTTP/1.1 200 Gr\u00c3\u00bc\u00c3\u009fe \u00e2\u0086\u0092\r\n${ok}`,
      "Gr\u00c3\u00bc\u00c3\u009fe \u00e2\u0086\u0092",
      passed,
    ],
    ["with a control character", `HTTP/1.1 200 a\u0001b\r\n${ok}`, "", passed],
    ["without a phrase", `HTTP/1.1 200\r\n${ok}`, "", passed],
    ["of 999", `HTTP/1.1 999 Odd\r\n${ok}`, "Odd", { kind: "failed", reason: "upstream_status", status: 999 }],
    ["below 100", `HTTP/1.1 099 Odd\r\n${ok}`, "Bad Gateway", bad],
    ["of 000", `HTTP/1.1 000 Odd\r\n${ok}`, "Bad Gateway", bad],
    ["of 1000", `HTTP/1.1 1000 Odd\r\n${ok}`, "Bad Gateway", bad],
    [
      "that switches protocols unasked",
      "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
      "Bad Gateway",
      bad,
    ],
    ["before two lengths", `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${ok}`, "Bad Gateway", bad],
    ["before a NUL", `HTTP/1.1 200 OK\r\nX-A: o\u0000ne\r\n${ok}`, "Bad Gateway", bad],
    ["before a folded field", `HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\n${ok}`, "Bad Gateway", bad],
  ])("%s is passed on or becomes a clean 502", async (_, bytes, phrase, outcome) => {
    await using stage = await scene({ script: [raw(Buffer.from(bytes, "latin1"))] });
    const got = await stage.ask("/files", get);
    expect([got.status, got.statusText]).toEqual([outcome.status, phrase]);
    if (got.status === 502) expect(got.json()).toMatchObject({ error: { code: "backend_bad_answer" } });
    else expect(got.text).toBe("ok");
    expect((await stage.onlyExchange()).outcome).toMatchObject(outcome);
  });
});

describe("trailers", () => {
  const announced: [string, string] = ["Trailer", "X-Sum"];
  test("stay behind where there are no chunks to put them behind: a client of HTTP/1.0", async () => {
    await using stage = await scene({
      script: [answer({ body: ["a", 20, "b"], headers: [announced], trailers: [["X-Sum", "42"]] })],
    });
    const connection = await rawConnection(stage.tollgate.url);
    await connection.send("GET /v1/files HTTP/1.0\r\nTE: trailers\r\n\r\n");
    const got = await connection.answer();
    expect([got.status, got.text, got.header("trailer")]).toEqual([200, "ab", undefined]);
    expect((await stage.onlyExchange()).outcome.kind).toBe("completed");
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("and where there is no body: %s, %i", async (method, status) => {
    await using stage = await scene({
      script: [answer({ status, framing: "none", headers: [announced, ["Transfer-Encoding", "chunked"]] })],
    });
    const got = await stage.ask("/files", { method, headers: [["TE", "trailers"]] });
    expect([got.status, got.header("trailer"), got.body.length]).toEqual([status, undefined, 0]);
    expect((await stage.onlyExchange()).outcome).toMatchObject({ kind: "completed", status });
  });

  test("that may not cross as headers do not cross at all", async () => {
    const trailers = [
      ["X-Sum", "42"],
      ["Openai-Organization", "ours"],
      ["Set-Cookie", "a=b"],
    ] as const;
    await using stage = await scene({ script: [answer({ body: ["a", 20, "b"], headers: [announced], trailers })] });
    const got = await stage.ask("/files", { ...get, headers: [["TE", "trailers"]] });
    expect([got.text, got.trailers]).toEqual(["ab", [["X-Sum", "42"]]]);
  });
});

describe("an answer's headers", () => {
  test("cross byte for byte, beyond ASCII too, in both directions", async () => {
    await using stage = await scene({
      script: [answer({ body: "x", headers: [["X-A", "Gr\u00fc\u00df \u00c3\u00bc"]] })],
    });
    const got = await stage.ask("/files", { ...get, headers: [["X-A", "\u00e9\u00c3\u00a9"]] });
    expect(got.header("x-a")).toBe("Gr\u00fc\u00df \u00c3\u00bc");
    expect(stage.backend.received[0]?.header("x-a")).toBe("\u00e9\u00c3\u00a9");
  });

  test("have no length where the status allows none", async () => {
    await using stage = await scene({
      script: [answer({ status: 204, framing: "none", headers: [["Content-Length", "0"]] })],
    });
    const got = await stage.ask("/files", get);
    expect([got.status, got.header("content-length")]).toEqual([204, undefined]);
  });

  test("that any of several Connection fields names stay behind", async () => {
    const headers = [
      ["Connection", "X-One"],
      ["Connection", "X-Two"],
      ["X-One", "1"],
      ["X-Two", "2"],
    ] as const;
    await using stage = await scene({ script: [answer({ body: "x", headers })] });
    const got = await stage.ask("/files", get);
    expect([got.header("x-one"), got.header("x-two")]).toEqual([undefined, undefined]);
  });

  test("of our own to a HEAD count no bytes that were not sent", async () => {
    await using stage = await scene();
    await stage.backend.refuse();
    expect((await stage.ask("/files", { method: "HEAD" })).status).toBe(502);
    expect((await stage.onlyExchange()).bytes.response).toBe(0);
  });
});
