// Keys and bound ids of gateways on several machines, which share nothing but a Redis, while it is there and while it is not.
import { randomFillSync } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { keysCommand } from "./admission/keys/command.ts";
import { json } from "./testing/answers.ts";
import { type FakeBackend, fakeBackend } from "./testing/fake-backend.ts";
import { metricSamples, sumsBy } from "./testing/metrics-text.ts";
import { type Gateway, gatewayProcess, program } from "./testing/program.ts";
import { rawRequest } from "./testing/raw-client.ts";
import { noRedis, type RedisServer, redisServer } from "./testing/redis.ts";

const missing = noRedis();
const facts = missing === undefined ? test : test.skip;
const patience = { timeout: 10_000, interval: 20 };
/** One second, and what it takes to ask on a busy machine. */
const soon = { timeout: 2_000, interval: 20 };

let server: RedisServer;
let backend: FakeBackend;
let folders: string[] = [];
let made: string;

beforeAll(async () => {
  backend = await fakeBackend({ otherwise: (turn) => json({ id: made, object: "file" })(turn) });
});
afterAll(() => backend.close());
beforeEach(async () => {
  made = "file-one";
  if (missing === undefined) server = await redisServer({ persists: true });
});
afterEach(async () => {
  for (const folder of folders) rmSync(folder, { recursive: true });
  folders = [];
  await server?.[Symbol.asyncDispose]();
});

const machine = (more: { env?: Record<string, string>; config?: string } = {}) => ({
  env: { REDIS_URL: server.url, TOLLGATE_ADMIN_TOKEN: "let-me-in", ...more.env },
  config: `demo: false\nbackends:\n  - { name: fake, provider: openai, baseUrl: "${backend.url}/v1", models: ["*"] }\n${more.config ?? ""}`,
});

/** Runs `tollgate keys` on a machine of its own, or on the data folder that is named. */
async function keys(args: readonly string[], env: Record<string, string> = { REDIS_URL: server.url }) {
  const cwd = mkdtempSync(join(tmpdir(), "tollgate-elsewhere-"));
  folders.push(cwd);
  let [out, err] = ["", ""];
  const code = await keysCommand(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    surroundings: { env, cwd },
    now: Date.now,
    fillRandom: randomFillSync,
  });
  return { out, err, code, cwd };
}
const created = async (label: string, env?: Record<string, string>) => {
  const { out, err } = await keys(["create", "--json", "--grant", "files", "--label", label], env);
  expect(err).toBe("");
  return JSON.parse(out) as { readonly id: string; readonly secret: string };
};

const ask = async ({ url }: Gateway, secret: string | undefined, path = "/models/any", method = "GET") => {
  const headers = secret === undefined ? [] : ([["Authorization", `Bearer ${secret}`]] as const);
  const got = await rawRequest(`${url}${path}`, { method, headers });
  return got.status === 200 ? 200 : (got.json() as { error: { code: string } }).error.code;
};
const manage = ({ url }: Gateway, path: string, body?: object) =>
  rawRequest(`${url.replace("/v1", "")}/api/keys${path}`, {
    headers: [
      ["Authorization", "Bearer let-me-in"],
      ["Content-Type", "application/json"],
    ],
    body: JSON.stringify(body ?? {}),
  });

facts("a key made at one gateway opens the other, and revoked there is refused here, within a second", async () => {
  await using one = await gatewayProcess(machine());
  await using two = await gatewayProcess(machine());
  expect(await ask(two, undefined)).toBe(200);
  const { id, secret } = (await manage(one, "", { label: "ci" })).json() as { id: string; secret: string };
  await vi.waitFor(async () => expect(await ask(two, secret)).toBe(200), soon);
  expect([await ask(one, undefined), await ask(two, undefined)]).toEqual(["missing_api_key", "missing_api_key"]);
  expect((await manage(two, `/${id}/revoke`)).status).toBe(200);
  const from = performance.now();
  await vi.waitFor(async () => expect(await ask(one, secret)).toBe("revoked_api_key"), soon);
  expect(performance.now() - from).toBeLessThan(1_000);
  const other = await created("by-command");
  await vi.waitFor(async () => expect(await ask(one, other.secret)).toBe(200), soon);
  await keys(["revoke", "by-command"]);
  await vi.waitFor(async () => expect(await ask(two, other.secret)).toBe("revoked_api_key"), soon);
  // Each tells of what was done at the other as of something seen, and of its own as its own.
  const audit = (gateway: Gateway) =>
    gateway.lines().flatMap(({ audit, key_label, by }) => (audit === undefined ? [] : [`${audit} ${key_label} ${by}`]));
  await Promise.all([one, two].map((gateway) => gateway.line({ audit: "key_revoked", key_label: "by-command" })));
  const byCommand = ["key_created by-command store", "key_revoked by-command store"];
  expect(audit(one)).toEqual(["key_created ci admin_api", "key_revoked ci store", ...byCommand]);
  expect(audit(two)).toEqual(["key_created ci store", "key_revoked ci admin_api", ...byCommand]);
  // Nothing of them is on any machine.
  expect([readdirSync(one.folder), readdirSync(two.folder)]).toEqual([["config.yaml"], ["config.yaml"]]);
});

facts("a file made through one gateway is its key's at the other, and nobody else's, Redis or not", async () => {
  const [ada, bob] = [await created("ada"), await created("bob")];
  await using one = await gatewayProcess(machine());
  await using two = await gatewayProcess(machine());
  expect(await ask(one, ada.secret, "/files", "POST")).toBe(200);
  expect(await ask(one, ada.secret, "/files/file-one")).toBe(200);
  await vi.waitFor(async () => expect(await ask(two, ada.secret, "/files/file-one")).toBe(200), soon);
  expect(await ask(two, bob.secret, "/files/file-one")).toBe("not_found");
  expect(await ask(two, ada.secret, "/files/file-none")).toBe("not_found");
  made = "file-far";
  expect(await ask(one, ada.secret, "/files", "POST")).toBe(200);

  await server.kill();
  // What is at hand goes on; what would have to be asked for is refused; traffic is not held up.
  await vi.waitFor(
    async () => expect(await ask(two, ada.secret, "/files/file-far")).toBe("keys_unavailable"),
    patience,
  );
  expect([await ask(two, ada.secret, "/files/file-one"), await ask(two, bob.secret, "/files/file-one")]).toEqual([
    200,
    "not_found",
  ]);
  expect([await ask(one, ada.secret), await ask(one, `tg-${"0".repeat(40)}`), await ask(one, undefined)]).toEqual([
    200,
    "invalid_api_key",
    "missing_api_key",
  ]);
  made = "file-meanwhile";
  expect(await ask(one, ada.secret, "/files", "POST")).toBe(200);
  expect(await ask(one, ada.secret, "/files/file-meanwhile")).toBe(200);
  expect((await manage(one, "", { label: "late" })).status).toBe(503);

  await server.start();
  for (const id of ["file-far", "file-meanwhile"])
    await vi.waitFor(async () => expect(await ask(two, ada.secret, `/files/${id}`)).toBe(200), patience);
  expect(await ask(two, bob.secret, "/files/file-meanwhile")).toBe("not_found");
});

facts(
  "a gateway that starts without Redis lets in nobody but declared keys, and all others when Redis is there",
  async () => {
    const { secret } = await created("ci");
    await server.kill();
    const declared = `tg-${"d".repeat(40)}`;
    const env = { DECLARED: declared };
    await using gateway = await gatewayProcess(
      machine({ env, config: "keys: [{ label: ops, key: { env: DECLARED } }]\n" }),
    );
    expect([await ask(gateway, secret), await ask(gateway, undefined), await ask(gateway, declared)]).toEqual([
      "keys_unavailable",
      "missing_api_key",
      200,
    ]);
    await server.start();
    await vi.waitFor(async () => expect(await ask(gateway, secret)).toBe(200), patience);
    expect(await ask(gateway, undefined)).toBe("missing_api_key");
  },
);

facts("that Redis goes away, and that it is back, is one line each, and an orderly end is none", async () => {
  await using gateway = await gatewayProcess(machine());
  const said = () =>
    gateway
      .lines()
      .filter((line) => "shared_state" in line || line.stage === "redis")
      .map(({ level, shared_state, away_seconds, msg }) => [level, shared_state, typeof away_seconds, msg]);
  await server.kill();
  await gateway.line({ shared_state: "away" });
  // It was tried again and again meanwhile.
  const errors = async () => {
    const headers = [["Authorization", "Bearer let-me-in"]] as const;
    const { text } = await rawRequest(`${gateway.opsUrl}/metrics`, { method: "GET", headers });
    return sumsBy(metricSamples(text), "gateway_exporter_errors_total", ["exporter"]).redis;
  };
  await vi.waitFor(async () => expect(await errors()).toBeGreaterThan(3), patience);
  await server.start();
  const { msg } = await gateway.line({ shared_state: "back" });
  expect(msg).toMatch(/^Redis is back after [\d.]+ s$/);
  gateway.signal("SIGTERM");
  expect((await gateway.ended()).code).toBe(0);
  expect(said()).toEqual([
    ["warn", "away", "undefined", "Redis is away; what has limits passes, and is counted when it is back"],
    ["info", "back", "number", msg],
  ]);
});

facts("a gateway that started without Redis stays closed although Redis holds no keys", async () => {
  await server.kill();
  await using gateway = await gatewayProcess(machine());
  expect(await ask(gateway, `tg-${"0".repeat(40)}`)).toBe("keys_unavailable");
  await server.start();
  await vi.waitFor(async () => expect(await ask(gateway, `tg-${"0".repeat(40)}`)).toBe("invalid_api_key"), patience);
  expect(await ask(gateway, undefined)).toBe("missing_api_key");
});

facts("a gateway for other machines does not start where Redis holds no keys", async () => {
  await using started = program(machine({ env: { HOST: "0.0.0.0" } }));
  expect((await started.ended()).code).toBe(1);
  expect(started.err).toMatch(/^tollgate: listen\.host opens the gateway to other machines while no caller keys/);
});

facts("keys of the data folder are copied to Redis once, and what was lost there does not come back", async () => {
  const data = mkdtempSync(join(tmpdir(), "tollgate-data-"));
  folders.push(data);
  const alone = { TOLLGATE_DATA_DIR: data };
  const [old, taken] = [await created("old", alone), await created("Taken", alone)];
  await created("taken");
  const first = await gatewayProcess(machine({ env: alone }));
  await using _ = first;
  await using elsewhere = await gatewayProcess(machine());
  expect([await ask(first, old.secret), await ask(elsewhere, old.secret), await ask(first, taken.secret)]).toEqual([
    200,
    200,
    "invalid_api_key",
  ]);
  await first.line({
    msg: `The key 'Taken' (${taken.id}) of ${data}/tollgate.db was not copied: Redis has another with this label; make a new one with tollgate keys create.`,
  });
  await first.line({ msg: `Keys of ${data}/tollgate.db were copied to Redis (1), where keys are from now on.` });
  await server.kill();
  await using empty = await redisServer();
  await using again = await gatewayProcess(machine({ env: { ...alone, REDIS_URL: empty.url } }));
  expect([await ask(again, old.secret), await ask(again, undefined)]).toEqual(["invalid_api_key", "missing_api_key"]);
  await vi.waitFor(
    () => expect(again.out).toMatch(/Redis holds no keys, though those of .* were copied to it once/),
    soon,
  );
});

facts("a budget that was spent from in the data folder is no more than what is left of it in Redis", async () => {
  const data = mkdtempSync(join(tmpdir(), "tollgate-data-"));
  folders.push(data);
  const config = `prices: [{ model: "*", perMillionCharacters: 10000 }]
keys: [{ label: one, key: { env: ONE }, budgets: [{ period: total, usd: 1, hard: true }] }]
`;
  const env = { TOLLGATE_DATA_DIR: data, ONE: `tg-${"one0".repeat(8)}` };
  const asked = async (gateway: Gateway) => {
    const body = JSON.stringify({ model: "any", voice: "any", input: "x".repeat(40) });
    const headers = [["Authorization", `Bearer ${env.ONE}`]] as const;
    const got = await rawRequest(`${gateway.url}/audio/speech`, { method: "POST", headers, body });
    return got.status === 200 ? 200 : (got.json() as { error: { code: string } }).error.code;
  };
  const alone = { ...env, REDIS_URL: "" };
  for (const [place, outcome] of [
    [alone, 200],
    [env, 200],
    [env, "budget_exceeded"],
  ] as const) {
    await using gateway = await gatewayProcess(machine({ env: place, config }));
    expect(await asked(gateway)).toBe(outcome);
    gateway.signal("SIGTERM");
    expect((await gateway.ended()).code).toBe(0);
  }
});

facts("the command says that Redis is away, and nothing of its password", async () => {
  await server.kill();
  const { err, code } = await keys(["list"], { REDIS_URL: server.url.replace("//", "//:a-secret-word@") });
  expect(code).toBe(1);
  expect(err).toMatch(/^tollgate: The keys are in Redis, which cannot be used \(Redis is away\); see that it runs/);
  expect(err).not.toContain("a-secret-word");
});
