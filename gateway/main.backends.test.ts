// What the program serves where backends are set by variables, and with whose keys.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import type { Field } from "./testing/http-wire.ts";
import { chatCompletion, chatRequest } from "./testing/payloads.ts";
import { type Gateway, gatewayProcess } from "./testing/program.ts";
import { rawRequest } from "./testing/raw-client.ts";

const get = (url: string, headers: readonly Field[] = []) => rawRequest(url, { method: "GET", headers });

const chat = (gateway: Gateway, model: string, headers?: readonly Field[]) =>
  gateway.chat(chatRequest(model, { max_tokens: 1 }), headers);

describe("with OpenAI and DeepSeek by variables, a metrics token, and a log for people", () => {
  let [openai, deepseek]: FakeBackend[] = [];
  let gateway: Gateway;
  beforeAll(async () => {
    const otherwise = json(chatCompletion("any", { input: 11, output: 7 }));
    [openai, deepseek] = await Promise.all([fakeBackend({ otherwise }), fakeBackend({ otherwise })]);
    gateway = await gatewayProcess({
      config: "demo: false\nlog: { format: pretty }\n",
      env: {
        OPENAI_API_KEY: "sk-openai",
        OPENAI_BASE_URL: openai.url,
        DEEPSEEK_API_KEY: "sk-deepseek",
        DEEPSEEK_BASE_URL: deepseek.url,
        TOLLGATE_METRICS_TOKEN: "let-me-scrape",
      },
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await Promise.all([openai?.close(), deepseek?.close()]);
  });

  test("each serves its own models with the gateway's key for it, whatever key the client came with", async () => {
    const own: Field = ["authorization", "Bearer sk-of-the-client"];
    for (const model of ["gpt-4o-mini", "deepseek-chat"]) expect((await chat(gateway, model, [own])).status).toBe(200);
    const asked = (backend?: FakeBackend) =>
      backend?.received.map((request) => [request.target, request.header("authorization"), request.json()]);
    expect(asked(openai)).toMatchObject([["/v1/chat/completions", "Bearer sk-openai", { model: "gpt-4o-mini" }]]);
    expect(asked(deepseek)).toMatchObject([["/v1/chat/completions", "Bearer sk-deepseek", { model: "deepseek-chat" }]]);
    expect(gateway.err).not.toMatch(/sk-/);
  });

  test("the log is for people to read: time, level, what happened, and no key", async () => {
    await vi.waitFor(() => expect(gateway.out).toContain("deepseek-chat"), { timeout: 5_000 });
    for (const line of gateway.out.trimEnd().split("\n"))
      expect(line).toMatch(
        /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: chat (gpt-4o-mini|deepseek-chat) 200 in \d+ ms \{"trace_id":/,
      );
    expect(gateway.out).not.toMatch(/sk-/);
  });

  test("/metrics asks for its token, even this machine, and the suggested line has a place for it", async () => {
    const asking = async (...headers: Field[]) => (await get(`${gateway.opsUrl}/metrics`, headers)).status;
    expect(await asking()).toBe(401);
    expect(await asking(["authorization", "Bearer let-me-scrap"])).toBe(401);
    expect(await asking(["authorization", "Bearer let-me-scrape"])).toBe(200);
    expect(gateway.err).toMatch(/^ {2}then .* -H "authorization: Bearer \$TOLLGATE_METRICS_TOKEN" /m);
    expect(gateway.err).not.toContain("let-me-scrape");
  });

  test("health is degraded while one backend is down, and unhealthy, with 503, when all are", async () => {
    const state = async (path: string) => {
      const { status, text } = await get(gateway.opsUrl + path);
      return [status, (JSON.parse(text) as { status: string }).status];
    };
    for (const [backend, model, health] of [
      [openai, "gpt-4o-mini", [200, "degraded"]],
      [deepseek, "deepseek-chat", [503, "unhealthy"]],
    ] as const) {
      await backend?.refuse();
      for (let times = 0; times < 5; times += 1) expect((await chat(gateway, model)).status).toBe(502);
      expect([await state("/health"), await state("/ready")]).toEqual([health, health]);
    }
    expect((await get(`${gateway.url.replace("/v1", "")}/health`)).status).toBe(503);
  });
});

describe("with the addresses of OpenAI and DeepSeek alone, without metrics, and only warnings logged", () => {
  /** Tells what the demo, which is in the same process, is sent. */
  const witness = `
    import { subscribe } from "node:diagnostics_channel";
    import { writeSync } from "node:fs";
    subscribe("http.server.request.start", ({ request: { url, headers, socket } }) => {
      writeSync(2, "seen " + JSON.stringify([socket.localPort, url, headers.authorization ?? "none"]) + "\\n");
    });`;
  let [openai, deepseek]: FakeBackend[] = [];
  let gateway: Gateway;
  beforeAll(async () => {
    const otherwise = json(chatCompletion("any", { input: 11, output: 7 }));
    [openai, deepseek] = await Promise.all([fakeBackend({ otherwise }), fakeBackend({ otherwise })]);
    gateway = await gatewayProcess({
      files: { "witness.mjs": witness },
      env: {
        OPENAI_BASE_URL: openai.url,
        DEEPSEEK_BASE_URL: deepseek.url,
        ENABLE_METRICS: "false",
        LOG_LEVEL: "warn",
        NODE_OPTIONS: "--import ./witness.mjs",
      },
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await Promise.all([openai?.close(), deepseek?.close()]);
  });

  test("the client's own key goes to them, and never to the demo", async () => {
    const own: Field = ["authorization", "Bearer sk-of-the-client"];
    for (const model of ["gpt-4o-mini", "deepseek-chat", "demo"])
      expect((await chat(gateway, model, [own])).status).toBe(200);
    for (const backend of [openai, deepseek])
      expect(backend?.received.map((request) => request.header("authorization"))).toEqual(["Bearer sk-of-the-client"]);
    const seen = [...gateway.err.matchAll(/^seen (.*)$/gm)].map(
      ([, text = ""]) => JSON.parse(text) as [number, string, string],
    );
    const port = Number(new URL(gateway.url).port);
    const chats = seen.filter(([, path]) => path === "/v1/chat/completions");
    expect(chats.filter(([at]) => at === port).map(([, , key]) => key)).toEqual(
      Array(3).fill("Bearer sk-of-the-client"),
    );
    expect(chats.filter(([at]) => at !== port).map(([, , key]) => key)).toEqual(["none"]);
  });

  test("only what went wrong is in the log", async () => {
    await chat(gateway, "demo-nothing");
    await gateway.line({ model: "demo-nothing" });
    expect(gateway.lines()).toMatchObject([
      { level: "warn", model: "demo-nothing", trace_id: expect.stringMatching(/^\w{32}$/) },
    ]);
  });

  test("there is no /metrics, and nothing speaks of it", async () => {
    const { status, text } = await get(`${gateway.opsUrl}/metrics`);
    expect([status, text]).toEqual([404, expect.not.stringContaining("/metrics")]);
    expect((await get(`${gateway.opsUrl}/ready`)).status).toBe(200);
    expect(gateway.err.replace(/^seen .*$/gm, "")).not.toContain("/metrics");
  });
});
