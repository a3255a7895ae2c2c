// The admin API of keys over a running gateway: whom it lets in, what it takes, and that a secret is shown once.
import { randomFillSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json } from "../../testing/answers.ts";
import { forgetfulKeys } from "../../testing/forgetful-keys.ts";
import type { Field } from "../../testing/http-wire.ts";
import { metricSamples } from "../../testing/metrics-text.ts";
import { chatCompletion, chatRequest } from "../../testing/payloads.ts";
import { rawRequest } from "../../testing/raw-client.ts";
import { type Scene, scene } from "../../testing/scene.ts";
import { declaredKey } from "./declared-key.ts";
import type { KeyStore } from "./key-store.ts";
import { keys } from "./keys.ts";

const adminToken = "let-me-in";
const withToken: Field = ["Authorization", `Bearer ${adminToken}`];
const bare = { grants: [], limits: {}, budgets: [], priority: 0 };
const now = () => Date.now();
const model = "gpt-4o-mini";

async function managed(store: KeyStore = forgetfulKeys(), config: Parameters<typeof scene>[0] = {}) {
  const declared = [declaredKey({ ...bare, label: "ops" }, `tg-${"x".repeat(40)}`)];
  const ring = await keys({ store, now, fillRandom: randomFillSync, declared });
  return scene({
    config: { adminToken },
    fake: { otherwise: json(chatCompletion(model, { input: 1, output: 1 })) },
    ...config,
    admitting: { keys: ring, managedKeys: ring },
  });
}

let stage: Scene;
beforeEach(async () => {
  stage = await managed();
});
afterEach(() => stage[Symbol.asyncDispose]());

const ask = (method: string, path: string, body?: unknown, headers: readonly Field[] = [withToken]) =>
  rawRequest(`${stage.tollgate.url.replace("/v1", "")}${path}`, {
    method,
    headers: [...headers, ...(body === undefined ? [] : ([["Content-Type", "application/json"]] as const))],
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
type Shown = { id: string; label: string; state: string; secret?: string } & Record<string, unknown>;
const create = async (body: object) => (await ask("POST", "/api/keys", body)).json() as Shown & { secret: string };
const chat = async (secret: string) => {
  const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", `Bearer ${secret}`]]);
  return got.status === 200 ? 200 : (got.json() as { error: { code: string } }).error.code;
};
const error = (got: { json(): unknown }) => (got.json() as { error: Record<string, unknown> }).error;

test("a key is made, used, changed, rotated and revoked, and its secret is shown to its maker alone", async () => {
  const got = await ask("POST", "/api/keys", {
    label: "ci",
    user: "ada",
    team: null,
    models: [model],
    expiresAt: "2099-01-31",
    limits: { requestsPerMinute: 100 },
    budgets: [{ period: "day", usd: 1 }],
  });
  expect([got.status, got.header("cache-control"), got.header("content-type")]).toEqual([
    201,
    "no-store",
    "application/json",
  ]);
  const { secret = "", ...key } = got.json() as Shown;
  expect(key).toMatchObject({
    label: "ci",
    state: "active",
    source: "created",
    user: "ada",
    team: null,
    expiresAt: "2099-01-31T00:00:00Z",
    budgets: [{ period: "day", usd: 1, softRatio: 0.8, hard: true }],
  });
  expect(await chat(secret)).toBe(200);

  const changed = await ask("PATCH", `/api/keys/${key.id}`, { models: ["other"], user: null });
  expect(changed.json()).toMatchObject({
    id: key.id,
    models: ["other"],
    user: null,
    limits: { requestsPerMinute: 100 },
  });
  expect(await chat(secret)).toBe("model_not_allowed");
  await ask("PATCH", `/api/keys/${key.id}`, { models: null });
  expect(await chat(secret)).toBe(200);
  for (const systemPrompt of [{ mode: "append", text: "Be kind." }, null])
    expect((await ask("PATCH", `/api/keys/${key.id}`, { systemPrompt })).json()).toMatchObject({ systemPrompt });

  const { secret: second = "", ...rotated } = (await ask("POST", `/api/keys/${key.id}/rotate`)).json() as Shown;
  expect(rotated.id).toBe(key.id);
  expect([await chat(secret), await chat(second)]).toEqual(["expired_api_key", 200]);
  const third = (await ask("POST", `/api/keys/${key.id}/rotate`, { graceSeconds: 60 })).json() as Shown;
  expect([await chat(second), await chat(third.secret ?? "")]).toEqual([200, 200]);

  const one = await ask("GET", `/api/keys/${key.id}`);
  const all = await ask("GET", "/api/keys");
  const gone = await ask("POST", `/api/keys/${key.id}/revoke`);
  expect(all.json()).toEqual({ object: "list", data: [expect.objectContaining({ source: "config" }), one.json()] });
  expect(gone.json()).toMatchObject({ id: key.id, state: "revoked", revokedAt: expect.stringMatching(/Z$/) });
  expect(await chat(third.secret ?? "")).toBe("revoked_api_key");
  for (const { text } of [changed, one, all, gone])
    for (const shown of [secret, second, third.secret ?? ""]) expect(text).not.toContain(shown.slice(3));
  expect(all.text).not.toMatch(/hash|[0-9a-f]{64}/);
});

test("a secret that was mistyped is told from one that nobody knows", async () => {
  const { secret } = await create({ label: "ci" });
  const refusal = async (word: string) => {
    const got = await stage.post("/chat/completions", chatRequest(model), [["Authorization", `Bearer ${word}`]]);
    return [got.status, error(got).code, error(got).message];
  };
  const slip = secret.slice(0, 20) + (secret[20] === "x" ? "y" : "x") + secret.slice(21);
  expect(await refusal(slip)).toEqual([401, "invalid_api_key", expect.stringMatching(/check sum/)]);
  expect(await refusal(`tg-${"0".repeat(20)}`)).toEqual([401, "invalid_api_key", expect.stringMatching(/not known/)]);
});

describe("is for the admin token alone:", () => {
  test.each<[string, readonly Field[]]>([
    ["nothing", []],
    ["a wrong token", [["Authorization", "Bearer let-me-ix"]]],
    ["the token in another scheme", [["Authorization", `Basic ${adminToken}`]]],
  ])("%s is refused from this very machine, whatever is asked", async (_, headers) => {
    for (const [method, path] of [
      ["GET", "/api/keys"],
      ["POST", "/api/keys"],
      ["DELETE", "/api/keys"],
      ["GET", "/api/keys/x"],
      ["PATCH", "/api/keys/x"],
      ["POST", "/api/keys/x/revoke"],
      ["POST", "/api/keys/x/rotate"],
    ] as const) {
      const got = await ask(method, path, method === "GET" ? undefined : { label: "evil" }, headers);
      expect([method, path, got.status, error(got).code]).toEqual([method, path, 401, "admin_token_required"]);
    }
    expect((await create({ label: "evil" })).label).toBe("evil");
  });

  test("a caller's key does not open it", async () => {
    const { secret } = await create({ label: "ci" });
    expect((await ask("GET", "/api/keys", undefined, [["Authorization", `Bearer ${secret}`]])).status).toBe(401);
  });

  test("without a token configured nobody gets in, not even from here, and is told how", async () => {
    await using open = await managed(forgetfulKeys(), { config: {} });
    const got = await rawRequest(`${open.tollgate.url.replace("/v1", "")}/api/keys`, { method: "GET" });
    expect([got.status, error(got).message]).toEqual([401, expect.stringMatching(/set TOLLGATE_ADMIN_TOKEN, or use/)]);
  });

  test("no page of another origin is told that it may", async () => {
    const origin: Field = ["Origin", "https://evil.example"];
    const preflight = await ask("OPTIONS", "/api/keys", undefined, [origin, ["Access-Control-Request-Method", "POST"]]);
    expect(preflight.status).toBe(401);
    const got = await ask("POST", "/api/keys", undefined, [withToken, origin, ["Content-Type", "text/plain"]]);
    expect([got.status, error(got).code]).toEqual([400, "invalid_json"]);
    for (const answer of [preflight, got]) expect(answer.header("access-control-allow-origin")).toBeUndefined();
  });
});

describe("refuses with the member's name", () => {
  test.each<[unknown, string | null, RegExp]>([
    [{}, "label", /^label is missing; it must be a name/],
    [[], null, /^The body must be an object\.$/],
    [{ label: "a", labl: "b" }, "labl", /^labl is not known here\.$/],
    [{ label: "a", secret: "tg-mine" }, "secret", /^secret is not known here\.$/],
    [{ label: "a", expiresAt: 5 }, "expiresAt", /^expiresAt must be a date/],
    [{ label: "a", expiresAt: "2020-01-01" }, "expiresAt", /is in the past/],
    [{ label: "a", models: [] }, "models", /^models is an empty list/],
    [{ label: "a", models: ["a b"] }, "models[0]", /^models\[0\] must be a model name/],
    [{ label: "a", grants: ["all"] }, "grants[0]", /^grants\[0\] must be one of files/],
    [{ label: "a", limits: { perMinute: 1 } }, "limits.perMinute", /is not known here/],
    [{ label: "a", limits: { concurrent: 1.5 } }, "limits.concurrent", /must be a whole number from 1/],
    [{ label: "a", budgets: [{ usd: 1 }] }, "budgets[0].period", /must be one of day, week/],
    [{ label: "a", priority: 1000 }, "priority", /must be a whole number from -100 to 100/],
  ])("%j", async (body, param, message) => {
    const got = await ask("POST", "/api/keys", body);
    expect([got.status, error(got)]).toEqual([
      400,
      { type: "invalid_request_error", code: "invalid_value", param, message: expect.stringMatching(message) },
    ]);
  });

  test("what is no JSON, too much, or nothing", async () => {
    const status = async (body: string) => (await ask("POST", "/api/keys", body)).status;
    expect([await status("{"), await status(""), await status(`"${"x".repeat(70_000)}"`)]).toEqual([400, 400, 413]);
    const { id } = await create({ label: "ci" });
    for (const graceSeconds of [-1, 31 * 86_400, "1h"])
      expect(error(await ask("POST", `/api/keys/${id}/rotate`, { graceSeconds })).param).toBe("graceSeconds");
    expect(error(await ask("PATCH", `/api/keys/${id}`, { label: null })).param).toBe("label");
  });
});

test("what does not go with the keys as they are is a conflict; what is not there is not found", async () => {
  const { id } = await create({ label: "ci" });
  const other = await create({ label: "other" });
  const refused = async (...asked: Parameters<typeof ask>) => {
    const got = await ask(...asked);
    return [got.status, error(got).param, error(got).message];
  };
  const taken = [409, "label", "There is a key with the label 'CI' already."];
  expect(await refused("POST", "/api/keys", { label: "CI" })).toEqual(taken);
  expect(await refused("PATCH", `/api/keys/${other.id}`, { label: "CI" })).toEqual(taken);
  await ask("POST", `/api/keys/${id}/revoke`);
  expect(await refused("POST", `/api/keys/${id}/rotate`)).toEqual([409, null, expect.stringMatching(/is revoked/)]);
  expect((await create({ label: "CI" })).state).toBe("active");
  const { data } = (await ask("GET", "/api/keys")).json() as { data: Shown[] };
  const declared = data.find(({ source }) => source === "config")?.id ?? "";
  expect(await refused("POST", `/api/keys/${declared}/revoke`)).toEqual([
    409,
    null,
    expect.stringMatching(/configuration/),
  ]);
  const unknown = [404, null, "There is no key with this id."];
  expect(await refused("GET", "/api/keys/key_0")).toEqual(unknown);
  expect(await refused("PATCH", "/api/keys/key_0", {})).toEqual(unknown);
  expect(await refused("POST", "/api/keys/key_0/revoke")).toEqual(unknown);
  expect(await refused("POST", "/api/keys/key_0/rotate")).toEqual(unknown);
  const wrongWay = await ask("DELETE", `/api/keys/${id}`);
  expect([wrongWay.status, wrongWay.header("allow")]).toEqual([405, "GET, PATCH"]);
});

test("a store that cannot be written is told of in the log, and nothing of it to the client", async () => {
  const store = forgetfulKeys();
  const failing: KeyStore = { ...store, add: () => Promise.reject(new Error("/srv/data/tollgate.db is gone")) };
  await using broken = await managed(failing);
  const got = await rawRequest(`${broken.tollgate.url.replace("/v1", "")}/api/keys`, {
    headers: [withToken, ["Content-Type", "application/json"]],
    body: '{"label":"ci"}',
  });
  expect([got.status, error(got).code, got.header("retry-after")]).toEqual([503, "keys_unavailable", "5"]);
  expect(got.text).not.toContain("/srv");
  await expect.poll(() => broken.tollgate.lines.join("\n")).toContain("is gone");
});

test("requests here are counted by route, and neither path nor log tells a secret", async () => {
  const { id, secret } = await create({ label: "ci" });
  await ask("POST", `/api/keys/${id}/revoke`);
  await chat(secret);
  const routes = async () => {
    const { text } = await rawRequest(`${stage.tollgate.opsUrl}/metrics`, { method: "GET", headers: [withToken] });
    return metricSamples(text)
      .filter(({ name, labels }) => name === "http_requests_total" && labels.route?.startsWith("/api"))
      .map(({ labels: { method, route, status_code }, value }) => [method, route, status_code, value]);
  };
  await expect.poll(routes).toEqual(
    expect.arrayContaining([
      ["POST", "/api/keys", "201", 1],
      ["POST", "/api/keys/{id}/revoke", "200", 1],
    ]),
  );
  expect(stage.tollgate.lines.join("\n")).not.toContain(secret.slice(3));
});
