// What a running gateway's log says of its keys: who changed what, once, and nothing of a secret.
import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { forgetfulKeys } from "../../testing/forgetful-keys.ts";
import { bin, type Gateway, gatewayProcess } from "../../testing/program.ts";
import { rawRequest } from "../../testing/raw-client.ts";
import type { KeyEvent } from "./key-event.ts";
import { keys } from "./keys.ts";

const adminToken = "let-me-in";
const bearer = ["Authorization", `Bearer ${adminToken}`] as const;

const manage = async ({ url }: Gateway, method: string, path: string, body: object = {}) => {
  const headers = [bearer, ["Content-Type", "application/json"]] as const;
  const got = await rawRequest(`${url.replace("/v1", "")}/api/keys${path}`, {
    method,
    headers,
    body: JSON.stringify(body),
  });
  return { status: got.status, ...(got.json() as { readonly id: string; readonly secret?: string }) };
};

async function command({ folder }: Gateway, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [bin, "keys", ...args], {
    cwd: folder,
    env: {},
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return out;
}

const audit = (gateway: Gateway) =>
  gateway
    .lines()
    .filter((line) => "audit" in line)
    .map(({ time: _, ...line }) => line);

test("what the admin API does to a key is a line each, with the client's address; what changes nothing is none", async () => {
  await using gateway = await gatewayProcess({ env: { TOLLGATE_ADMIN_TOKEN: adminToken } });
  const made = await manage(gateway, "POST", "", { label: "ci", limits: { requestsPerMinute: 5 } });
  const { id } = made;
  await manage(gateway, "PATCH", `/${id}`, { user: "ada", limits: { requestsPerMinute: 5 } });
  await manage(gateway, "PATCH", `/${id}`, { label: "robots", user: "ada" });
  const rotated = await manage(gateway, "POST", `/${id}/rotate`, { graceSeconds: 60 });
  for (let time = 0; time < 2; time += 1) await manage(gateway, "POST", `/${id}/revoke`);
  expect((await manage(gateway, "PATCH", `/${id}`, { user: "bob" })).status).toBe(409);
  expect((await manage(gateway, "POST", "/key_none/revoke")).status).toBe(404);
  // A line that comes after all those, and after a look at the store that has them all.
  await command(gateway, "create", "--label", "last");
  await gateway.line({ audit: "key_created", key_label: "last" });
  const by = { level: "info", key_id: id, by: "admin_api", client_address: "127.0.0.1" };
  const from = "by the admin API from 127.0.0.1";
  expect(audit(gateway).slice(0, -1)).toEqual([
    { ...by, audit: "key_created", key_label: "ci", msg: `key ci was created, ${from}` },
    { ...by, audit: "key_changed", key_label: "ci", changed: ["user"], msg: `key ci was changed, ${from}` },
    { ...by, audit: "key_changed", key_label: "robots", changed: ["label"], msg: `key robots was changed, ${from}` },
    { ...by, audit: "key_rotated", key_label: "robots", msg: `key robots was rotated, ${from}` },
    { ...by, audit: "key_revoked", key_label: "robots", msg: `key robots was revoked, ${from}` },
  ]);
  for (const secret of [made.secret, rotated.secret]) {
    expect(secret).toMatch(/^tg-/);
    expect(gateway.out).not.toContain(secret?.slice(3));
  }
});

test("what another process does is seen in the store and told; what was there at the start is not", async () => {
  await using first = await gatewayProcess();
  await command(first, "create", "--label", "old");
  const { id } = JSON.parse(await command(first, "create", "--json", "--label", "web")) as { id: string };
  const seen = (action: string, more: object = {}) => ({
    level: "info",
    audit: `key_${action}`,
    key_id: id,
    key_label: "web",
    by: "store",
    ...more,
    msg: `key web was ${action}, seen in the store`,
  });
  await vi.waitFor(() => expect(audit(first)).toHaveLength(2), { timeout: 5_000 });
  expect(audit(first)[1]).toEqual(seen("created"));
  await command(first, "change", "web", "--user", "ada");
  await first.line({ audit: "key_changed" });
  await command(first, "rotate", "web");
  await first.line({ audit: "key_rotated" });
  await command(first, "revoke", "web");
  await first.line({ audit: "key_revoked" });
  expect(audit(first).slice(1)).toEqual([
    seen("created"),
    seen("changed", { changed: ["user"] }),
    seen("rotated"),
    seen("revoked"),
  ]);

  await using later = await gatewayProcess({ env: { TOLLGATE_DATA_DIR: `${first.folder}/.tollgate` } });
  await command(first, "revoke", "old");
  await later.line({ audit: "key_revoked", key_label: "old" });
  expect(audit(later)).toHaveLength(1);
});

test("what a changed file does to the keys that it declares is a line each, and none of the rest is", async () => {
  const config = (...keys: readonly string[]) => `backends: []\nkeys:\n${keys.map((key) => `  - ${key}\n`).join("")}`;
  const secret = (letter: string) => `tg-${letter.repeat(40)}`;
  const key = (label: string, letter: string, more = "") => `{ label: ${label}, key: ${secret(letter)}${more} }`;
  await using gateway = await gatewayProcess({ config: config(key("ci", "a"), key("web", "b"), key("same", "c")) });
  gateway.write("config.yaml", config(key("ci", "d", ", user: ada"), key("same", "c"), key("new", "e")));
  gateway.signal("SIGHUP");
  await gateway.line({ audit: "key_created", key_label: "new" });
  expect(audit(gateway).map(({ key_id: _, ...line }) => line)).toEqual(
    [
      { audit: "key_removed", key_label: "web", msg: "key web was removed, by the configuration" },
      {
        audit: "key_changed",
        key_label: "ci",
        changed: ["user"],
        msg: "key ci was changed, by the configuration",
      },
      { audit: "key_rotated", key_label: "ci", msg: "key ci was rotated, by the configuration" },
      { audit: "key_created", key_label: "new", msg: "key new was created, by the configuration" },
    ].map((line) => ({ level: "info", by: "config", ...line })),
  );
  for (const letter of "abcde") expect(gateway.out).not.toContain(letter.repeat(40));
});

test("a look at the store in the middle of a change of our own tells it once, as our own", async () => {
  const store = forgetfulKeys();
  const events: KeyEvent[] = [];
  const ring = await keys({
    store: {
      ...store,
      async add(stored) {
        await store.add(stored);
        await ring.refresh();
      },
      async update(id, change) {
        const after = await store.update(id, change);
        await ring.refresh();
        return after;
      },
    },
    now: () => 1_000,
    fillRandom: randomFillSync,
    told: (event) => events.push(event),
  });
  const by = { door: "admin_api" } as const;
  const { key } = await ring.create({ label: "a" }, by);
  await ring.rotate(key.id, 0, by);
  await ring.refresh();
  expect(events.map(({ action, by }) => [action, by])).toEqual([
    ["created", by],
    ["rotated", by],
  ]);
});
