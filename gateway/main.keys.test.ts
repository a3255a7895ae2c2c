// Keys between processes: what the command does to a data folder, a gateway that runs on it knows within a second.
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { bin, type Gateway, gatewayProcess, program } from "./testing/program.ts";
import { rawRequest } from "./testing/raw-client.ts";

interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

/** Runs `tollgate` in a process of its own, there. */
function tollgate(
  folder: string,
  args: readonly string[],
  { env = {}, uid }: { env?: Record<string, string>; uid?: number } = {},
) {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid !== undefined && { uid }),
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise<Said>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ out, err, code }));
  });
}

const created = async (folder: string, ...args: string[]) => {
  const { out, err, code } = await tollgate(folder, ["keys", "create", "--json", "--label", ...args]);
  expect([err, code]).toEqual(["", 0]);
  return JSON.parse(out) as { readonly id: string; readonly secret: string };
};

/** What becomes of a request with a secret, or with none: 200, or the code of its error. */
const ask = async ({ url }: Gateway, secret?: string) => {
  const headers = secret === undefined ? [] : ([["Authorization", `Bearer ${secret}`]] as const);
  const got = await rawRequest(`${url}/models`, { method: "GET", headers });
  return got.status === 200 ? 200 : (got.json() as { error: { code: string } }).error.code;
};
/** One second, and what it takes to ask on a busy machine. */
const soon = { timeout: 2_000, interval: 20 };

describe("a gateway that runs", () => {
  test("has nothing on disk until the first key, and asks for one from then on", async () => {
    await using gateway = await gatewayProcess();
    const { folder } = gateway;
    expect(await ask(gateway)).toBe(200);
    expect(readdirSync(folder)).toEqual([]);
    const { secret } = await created(folder, "first");
    await vi.waitFor(async () => expect(await ask(gateway, secret)).toBe(200), soon);
    expect(await ask(gateway)).toBe("missing_api_key");
    const { secret: other } = await created(folder, "second");
    await vi.waitFor(async () => expect(await ask(gateway, other)).toBe(200), soon);
    expect(gateway.out + gateway.err).not.toMatch(new RegExp(`${secret.slice(3)}|${other.slice(3)}`));
  });

  test("refuses a key within a second of its revocation, and the old secret of one that was rotated", async () => {
    await using gateway = await gatewayProcess();
    const { folder } = gateway;
    const [one, two] = [await created(folder, "one"), await created(folder, "two")];
    await vi.waitFor(
      async () => expect([await ask(gateway, one.secret), await ask(gateway, two.secret)]).toEqual([200, 200]),
      soon,
    );
    await tollgate(folder, ["keys", "revoke", "one"]);
    const from = performance.now();
    await vi.waitFor(async () => expect(await ask(gateway, one.secret)).toBe("revoked_api_key"), soon);
    expect(performance.now() - from).toBeLessThan(1_000);
    const { out } = await tollgate(folder, ["keys", "rotate", two.id, "--json"]);
    const { secret } = JSON.parse(out) as { readonly secret: string };
    await vi.waitFor(async () => expect(await ask(gateway, secret)).toBe(200), soon);
    expect(await ask(gateway, two.secret)).toBe("expired_api_key");
    await tollgate(folder, ["keys", "revoke", "two"]);
    await vi.waitFor(async () => expect(await ask(gateway, secret)).toBe("revoked_api_key"), soon);
    // Nobody's key is good any more: that opens nothing.
    expect(await ask(gateway)).toBe("missing_api_key");
  });

  test("takes declared keys from its file, and others when that changes", async () => {
    const secret = (letter: string) => `tg-${letter.repeat(40)}`;
    const file = (letter: string) =>
      `keys: [{ label: ops, key: { file: ops-key } }]\nlog: { level: info }\n# ${letter}\n`;
    await using gateway = await gatewayProcess({ config: file("a"), files: { "ops-key": secret("a") } });
    expect([await ask(gateway, secret("a")), await ask(gateway), await ask(gateway, secret("b"))]).toEqual([
      200,
      "missing_api_key",
      "invalid_api_key",
    ]);
    gateway.write("ops-key", secret("b"));
    await vi.waitFor(async () => expect(await ask(gateway, secret("b"))).toBe(200), { timeout: 5_000, interval: 50 });
    expect(await ask(gateway, secret("a"))).toBe("invalid_api_key");
    expect(readdirSync(gateway.folder).sort()).toEqual(["config.yaml", "ops-key"]);
  });

  test("shares its folder with another", async () => {
    await using gateway = await gatewayProcess();
    const { folder } = gateway;
    const { secret } = await created(folder, "one");
    await vi.waitFor(async () => expect(await ask(gateway, secret)).toBe(200), soon);
    await using other = await gatewayProcess({ env: { TOLLGATE_DATA_DIR: join(folder, ".tollgate") } });
    expect(await ask(other, secret)).toBe(200);
    expect(await ask(other)).toBe("missing_api_key");
  });
});

test("what a key has spent is known after a restart", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-data-"));
  const env = { TOLLGATE_DATA_DIR: folder };
  const made = await tollgate(folder, ["keys", "create", "--label", "a", "--requests-per-day", "1", "--json"], { env });
  const { secret } = JSON.parse(made.out) as { readonly secret: string };
  const embed = async ({ url }: Gateway) => {
    const headers = [
      ["Authorization", `Bearer ${secret}`],
      ["Content-Type", "application/json"],
    ] as const;
    const body = JSON.stringify({ model: "demo-embedding", input: "a" });
    return (await rawRequest(`${url}/embeddings`, { headers, body })).status;
  };
  const before = await gatewayProcess({ env });
  expect(await embed(before)).toBe(200);
  before.signal("SIGTERM");
  await before.ended();
  await before[Symbol.asyncDispose]();
  await using after = await gatewayProcess({ env });
  expect(await embed(after)).toBe(429);
  rmSync(folder, { recursive: true });
});

describe("a start", () => {
  test("on an address of the network needs a key, and one is enough", async () => {
    const env = { HOST: "0.0.0.0", METRICS_HOST: "127.0.0.1" };
    const folder = mkdtempSync(join(tmpdir(), "tollgate-data-"));
    const TOLLGATE_DATA_DIR = join(folder, "data");
    await using refused = program({ env: { ...env, TOLLGATE_DATA_DIR } });
    expect((await refused.ended()).code).toBe(78);
    expect(refused.err).toMatch(/make one with tollgate keys create/);
    const made = await tollgate(folder, ["keys", "create", "--label", "first"], { env: { ...env, TOLLGATE_DATA_DIR } });
    expect([made.err, made.code]).toEqual(["", 0]);
    const check = await tollgate(folder, ["check"], { env: { ...env, TOLLGATE_DATA_DIR } });
    expect([check.err, check.code]).toEqual(["", 0]);
    await using gateway = program({ env: { ...env, TOLLGATE_DATA_DIR } });
    await vi.waitFor(() => expect(gateway.err).toContain("is ready"), { timeout: 10_000, interval: 20 });
    rmSync(folder, { recursive: true });
  });

  test("with a damaged database fails in one sentence, and overwrites nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tollgate-data-"));
    const file = join(folder, "tollgate.db");
    await tollgate(folder, ["keys", "create", "--label", "a"], { env: { TOLLGATE_DATA_DIR: folder } });
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 200);
    writeFileSync(file, bytes);
    await using gateway = program({ env: { TOLLGATE_DATA_DIR: folder } });
    expect((await gateway.ended()).code).toBe(1);
    expect(gateway.err).toBe(
      `tollgate: ${file} is damaged, and was left as it is; restore it from a backup, or move it away to begin anew without its keys.\n`,
    );
    expect(readFileSync(file).equals(bytes)).toBe(true);
    rmSync(folder, { recursive: true });
  });
});

/** Root may write anywhere: who is root tries as somebody else. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {};

test("a data folder that cannot be written to is told of in one sentence, by the command and at the start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-data-"));
  chmodSync(folder, 0o755);
  const data = join(folder, "data");
  const env = { TOLLGATE_DATA_DIR: data, PORT: "0", METRICS_PORT: "0" };
  mkdirSync(data, { mode: 0o555 });
  const first = await tollgate(folder, ["keys", "create", "--label", "a"], { env, ...nobody });
  expect(first).toEqual({
    code: 1,
    out: "",
    err: `tollgate: The data folder ${data} cannot be written to; make it writable for this user, or name another with TOLLGATE_DATA_DIR.\n`,
  });
  expect(readdirSync(data)).toEqual([]);
  chmodSync(data, 0o755);
  if (nobody.uid !== undefined) chownSync(data, nobody.uid, nobody.uid);
  expect((await tollgate(folder, ["keys", "create", "--label", "a"], { env, ...nobody })).err).toBe("");
  const file = join(data, "tollgate.db");
  chmodSync(file, 0o444);
  chmodSync(data, 0o555);
  for (const args of [["keys", "create", "--label", "b"], ["serve"]]) {
    const { err, code } = await tollgate(folder, args, { env, ...nobody });
    expect([code, err]).toEqual([
      1,
      `tollgate: ${file} cannot be opened for writing; make its folder and file writable for this user, or name another with TOLLGATE_DATA_DIR.\n`,
    ]);
  }
  chmodSync(data, 0o755);
  rmSync(folder, { recursive: true });
});

test("commands that make the first keys at the same time all make theirs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-data-"));
  const labels = ["a", "b", "c", "d", "e", "f"];
  const said = await Promise.all(labels.map((label) => tollgate(folder, ["keys", "create", "--label", label])));
  expect(said.map(({ code, err }) => [code, err])).toEqual(labels.map(() => [0, ""]));
  const { out } = await tollgate(folder, ["keys", "list", "--json"]);
  expect((JSON.parse(out) as { label: string }[]).map(({ label }) => label).sort()).toEqual(labels);
  expect(existsSync(join(folder, ".tollgate/tollgate.db"))).toBe(true);
  rmSync(folder, { recursive: true });
});

test("where there is a key, check says so and the request to try has a place for it; without one neither does", async () => {
  await using open = await gatewayProcess();
  expect(open.err).not.toContain("TOLLGATE_KEY");
  expect((await tollgate(open.folder, ["check"])).out).toMatch(/API .*\(this machine only\)\n/);
  await created(open.folder, "ci");
  const checked = await tollgate(open.folder, ["check"]);
  expect(checked.out).toMatch(/API .*\(this machine only, with a key\)\n/);
  await using asking = await gatewayProcess({ env: { TOLLGATE_DATA_DIR: `${open.folder}/.tollgate` } });
  expect(asking.err).toMatch(/try .* -H "authorization: Bearer \$TOLLGATE_KEY" /);
  expect(asking.err.trimEnd().split("\n")).toHaveLength(5);
});

test("check refuses what a start refuses, in the same sentence and with the same exit code", async () => {
  const config = "prices:\n  - { model: x, sameAs: openai/nothing }\n";
  await using started = program({ config });
  const { code } = await started.ended();
  const checked = await tollgate(started.folder, ["check", "-c", "config.yaml"]);
  expect([checked.code, `tollgate: ${checked.err}`]).toEqual([code, started.err]);
  expect([code, started.err]).toEqual([78, expect.stringMatching(/sameAs "openai\/nothing" is not in the price list/)]);
});

test("a running gateway follows a change within a second", async () => {
  await using gateway = await gatewayProcess();
  const { secret } = await created(gateway.folder, "ci");
  const files = async () => {
    const headers = [["Authorization", `Bearer ${secret}`]] as const;
    return (await rawRequest(`${gateway.url}/files`, { method: "GET", headers })).text;
  };
  await vi.waitFor(async () => expect(await files()).toContain("needs the grant"), soon);
  const changed = await tollgate(gateway.folder, ["keys", "change", "ci", "--grant", "files"]);
  expect([changed.code, changed.err]).toEqual([0, ""]);
  await vi.waitFor(async () => expect(await files()).not.toContain("needs the grant"), soon);
});
