import { describe, expect, test } from "vitest";
import { json } from "./testing/answers.ts";
import { answersTo, expectClean, get } from "./testing/doors.ts";
import { keyRing } from "./testing/key-ring.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { scene } from "./testing/scene.ts";

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
    const config = { allowAnonymous: true };
    await using stage = await scene({ config, fake: { otherwise: json(chatCompletion("gpt-4o-mini")) } });
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

  test.each([
    ["evil.example:8088", 403],
    ["evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example", 403],
    ["evil.example.", 403],
    ["localhost:1", 200],
    ["api.localhost", 200],
    ["[::1]:8088", 200],
    ["192.168.0.7:8088", 200],
    ["tollgate:8088", 200],
    ["host.docker.internal:8088", 200],
  ])("reads nothing by a name that it had point here, for its GETs name no Origin: %s", async (host, status) => {
    await using stage = await scene({ fake: { otherwise: json({}) } });
    const [answer] = await answersTo(stage, get("/v1/files")(host));
    expect(answer?.status).toBe(status);
    expect(stage.backend.received).toHaveLength(status === 200 ? 1 : 0);
  });

  test("may bear any name where anyone may come, or callers say who they are", async () => {
    await using open = await scene({ config: { allowAnonymous: true }, fake: { otherwise: json({}) } });
    expect((await answersTo(open, get("/v1/files")("gateway.example")))[0]?.status).toBe(200);
    const keys = keyRing();
    const key = keys.add("k", { grants: ["files"] });
    await using asking = await scene({ admitting: { keys }, fake: { otherwise: json({}) } });
    const [told] = await answersTo(
      asking,
      get("/v1/embeddings", `Authorization: Bearer ${key}\r\n`)("gateway.example"),
    );
    expect(told?.status).toBe(200);
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
