// `tollgate keys`: what is printed where, once, and with which exit code.
import { randomFillSync } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keysCommand } from "./command.ts";
import { keys } from "./keys.ts";
import { sqliteStore } from "./sqlite-store.ts";

const now = Date.parse("2026-11-21T12:00:00.500Z");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const told = { out: "", err: "" };
  const code = await keysCommand(args, {
    out: (text) => {
      told.out += text;
    },
    err: (text) => {
      told.err += text;
    },
    surroundings: { env, cwd: folder },
    now: () => now,
    fillRandom: randomFillSync,
  });
  return { ...told, code };
};
const create = async (...args: string[]) => {
  const { out, err, code } = await run(["create", ...args, "--json"]);
  expect([err, code]).toEqual(["", 0]);
  return JSON.parse(out) as { id: string; secret: string } & Record<string, unknown>;
};
const list = async () => JSON.parse((await run(["list", "--json"])).out) as Record<string, unknown>[];
/** The keys as a gateway would open them. */
const ring = async () => {
  const store = sqliteStore(join(folder, ".tollgate"));
  const opened = await keys({ store, now: () => now, fillRandom: randomFillSync });
  store.close();
  return opened;
};

test("create prints the secret once, on standard output, with how to use it", async () => {
  const { out, err, code } = await run(["create", "--label", "ci", "--expires", "30d"]);
  expect([code, err]).toEqual([0, ""]);
  const [secret = "", how, what, ...rest] = out.split("\n");
  expect(secret).toMatch(/^tg-[0-9A-Za-z]{49}$/);
  expect(how).toMatch(/Shown this once .*OPENAI_API_KEY/);
  expect(what).toMatch(/^Key ci \(key_[0-9a-f]{24}\) is good until 2026-12-21T12:00:00Z\.$/);
  expect(rest).toEqual([""]);
  expect((await ring()).find(secret)?.label).toBe("ci");
  for (const args of [["list"], ["list", "--json"]]) expect((await run(args)).out).not.toContain(secret.slice(3));
  for (const name of readdirSync(join(folder, ".tollgate")))
    expect(readFileSync(join(folder, ".tollgate", name)).includes(secret.slice(3))).toBe(false);
});

test("every option says what it means", async () => {
  const options =
    "--label ci --user ada --team lab --expires 2027-01-31 --models gpt-4o,llama-* --models o1 --grant files,batches " +
    "--requests-per-minute 1 --requests-per-day 2 --tokens-per-minute 3 --tokens-per-day 4 --concurrent 5 " +
    "--budget 10/month --budget $0.5/day --priority -7";
  const { secret, ...rest } = await create(...options.split(" "));
  const expected = {
    id: expect.any(String),
    label: "ci",
    state: "active",
    source: "created",
    user: "ada",
    team: "lab",
    createdAt: "2026-11-21T12:00:00Z",
    expiresAt: "2027-01-31T00:00:00Z",
    revokedAt: null,
    models: ["gpt-4o", "llama-*", "o1"],
    grants: ["files", "batches"],
    limits: { requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 3, tokensPerDay: 4, concurrent: 5 },
    budgets: [
      { usd: 10, period: "month", softRatio: 0.8, hard: true },
      { usd: 0.5, period: "day", softRatio: 0.8, hard: true },
    ],
    priority: -7,
    systemPrompt: null,
  };
  expect(rest).toEqual(expected);
  expect(await list()).toEqual([expected]);
  expect((await ring()).find(secret)).toMatchObject({ user: "ada", priority: -7, expiresAt: Date.parse("2027-01-31") });
});

describe("list", () => {
  test("of no keys writes nothing to the disk", async () => {
    expect(await run(["list"])).toMatchObject({ code: 0, out: expect.stringMatching(/no keys; make one with/) });
    expect(await list()).toEqual([]);
    expect(existsSync(join(folder, ".tollgate"))).toBe(false);
  });

  test("is a table of what tells keys apart, without empty columns", async () => {
    await create("--label", "ci", "--models", "gpt-*", "--grant", "files", "--concurrent", "2", "--budget", "1/total");
    const { id } = await create("--label", "old");
    await run(["revoke", id]);
    const lines = (await run(["list"])).out.trimEnd().split("\n");
    expect(
      lines.map((line) =>
        line
          .replace(/key_[0-9a-f]{24}/, "")
          .trim()
          .split(/ {2,}/),
      ),
    ).toEqual([
      ["ID", "LABEL", "STATE", "MAY USE", "LIMITS", "BUDGETS"],
      ["ci", "active", "gpt-* +files", "open 2", "$1/total"],
      ["old", "revoked"],
    ]);
  });

  test("shows those that the configuration declares, which are changed there", async () => {
    writeFileSync(join(folder, "config.yaml"), `keys: [{ label: ops, key: "tg-${"x".repeat(40)}" }]`);
    const at = ["--config", "config.yaml"];
    expect((await run(["list", ...at])).out).toMatch(/ops +active, in config/);
    expect(JSON.parse((await run(["list", "--json", ...at])).out)).toMatchObject([
      { label: "ops", source: "config", createdAt: null },
    ]);
    expect(await run(["revoke", "ops", ...at])).toMatchObject({
      code: 1,
      err: "tollgate: The key 'ops' is declared in the configuration; change it there.\n",
    });
    expect(await run(["create", "--label", "OPS", ...at])).toMatchObject({ code: 1, out: "" });
  });
});

describe("revoke", () => {
  test.each(["id", "label"])("takes an %s", async (by) => {
    const { id, secret } = await create("--label", "My key");
    const { out, code } = await run(["revoke", by === "id" ? id : "my KEY"]);
    expect([code, out]).toEqual([0, `Key My key (${id}) is revoked; a running gateway refuses it within a second.\n`]);
    expect((await ring()).find(secret)?.revokedAt).toBe(Math.round(now));
    expect((await run(["revoke", id])).out).toBe(`Key My key (${id}) was revoked before, at 2026-11-21T12:00:00Z.\n`);
  });

  test("by a label means the key that has it now", async () => {
    const old = await create("--label", "ci");
    await run(["revoke", "ci"]);
    const present = await create("--label", "ci");
    await run(["revoke", "ci"]);
    expect(old.id).not.toBe(present.id);
    expect((await list()).map(({ state }) => state)).toEqual(["revoked", "revoked"]);
  });
});

describe("change", () => {
  const shown = async (name: string) =>
    JSON.parse((await run(["show", name, "--json"])).out) as Record<string, unknown>;

  test("leaves what is not named, limit by limit and budget by budget", async () => {
    const options =
      "--label ci --user ada --team lab --expires 30d --models a --grant files --concurrent 5 --tokens-per-day 9 " +
      "--budget 10/month,1/day --priority 3 --system-prompt Hi --system-prompt-mode append";
    const { secret, ...before } = await create(...options.split(" "));
    const { code, out } = await run("change ci --concurrent 6 --budget 20/month --budget 7/total".split(" "));
    expect([code, out.split("\n")[0]]).toEqual([
      0,
      `Key ci (${before.id}) is changed; a running gateway follows within a second.`,
    ]);
    const [month, day] = before.budgets as object[];
    const now = {
      ...before,
      limits: { concurrent: 6, tokensPerDay: 9 },
      budgets: [{ ...month, usd: 20 }, day, { ...month, usd: 7, period: "total" }],
    };
    expect(await shown(before.id)).toEqual(now);
    await run(["change", "CI", "--label", "builds", "--system-prompt", "Hello"]);
    const renamed = { ...now, label: "builds", systemPrompt: { mode: "append", text: "Hello" } };
    expect(await shown("builds")).toEqual(renamed);
    await run(["change", "builds", "--system-prompt-mode", "replace"]);
    expect(await shown("builds")).toEqual({ ...renamed, systemPrompt: { mode: "replace", text: "Hello" } });
    expect((await ring()).find(secret)?.label).toBe("builds");
  });

  test("takes away what --no-… names", async () => {
    const options =
      "--label ci --user ada --team lab --expires 30d --models a --grant files --concurrent 5 --tokens-per-day 9 " +
      "--requests-per-day 8 --budget 10/month --priority 3 --system-prompt Hi";
    const before = await create(...options.split(" "));
    await run(["change", "ci", "--no-tokens-per-day", "--no-user"]);
    expect(await shown("ci")).toMatchObject({
      user: null,
      team: "lab",
      limits: { concurrent: 5, requestsPerDay: 8 },
    });
    await run(["change", "ci", "--no-limits", "--concurrent", "2", "--no-budget", "--budget", "1/day"]);
    expect(await shown("ci")).toMatchObject({
      limits: { concurrent: 2 },
      budgets: [{ usd: 1, period: "day", softRatio: 0.8, hard: true }],
    });
    const all = "team expires models grant concurrent budget priority system-prompt".split(" ");
    await run(["change", "ci", ...all.map((name) => `--no-${name}`)]);
    const { id, createdAt } = before;
    expect(await shown("ci")).toEqual({
      id,
      label: "ci",
      state: "active",
      source: "created",
      user: null,
      team: null,
      createdAt,
      expiresAt: null,
      revokedAt: null,
      models: null,
      grants: [],
      limits: {},
      budgets: [],
      priority: 0,
      systemPrompt: null,
    });
  });

  test("does nothing to a key of the configuration, or to a revoked one", async () => {
    writeFileSync(join(folder, "config.yaml"), `keys: [{ label: ops, key: "tg-${"x".repeat(40)}" }]`);
    expect(await run(["change", "ops", "--user", "ada", "-c", "config.yaml"])).toMatchObject({
      code: 1,
      err: "tollgate: The key 'ops' is declared in the configuration; change it there.\n",
    });
    await create("--label", "gone");
    await run(["revoke", "gone"]);
    expect(await run(["change", "gone", "--user", "ada"])).toMatchObject({
      code: 1,
      err: "tollgate: The key 'gone' is revoked, which is for good; make a new one.\n",
    });
  });
});

test("a system prompt is read from a file, without the line ends after it", async () => {
  writeFileSync(join(folder, "prompt.txt"), "Be brief.\nBe kind.\n\n");
  const from = ["--system-prompt-file", "prompt.txt"];
  const { systemPrompt } = await create("--label", "ci", ...from, "--system-prompt-mode", "replace");
  expect(systemPrompt).toEqual({ mode: "replace", text: "Be brief.\nBe kind." });
  expect((await run(["show", "ci"])).out).toContain("  prompt    replace: Be brief.\n            Be kind.\n");
});

test("show tells all of one key, and no secret", async () => {
  const { id, secret } = await create("--label", "ci", "--models", "gpt-*", "--concurrent", "2", "--expires", "30d");
  const { out, code } = await run(["show", "CI"]);
  expect([code, out.split("\n").map((line) => line.trim().split(/ {2,}/))]).toEqual([
    0,
    [
      ["id", id],
      ["label", "ci"],
      ["state", "active"],
      ["created", "2026-11-21T12:00:00Z"],
      ["expires", "2026-12-21T12:00:00Z"],
      ["models", "gpt-*"],
      ["grants", "inference only"],
      ["limits", "open 2"],
      ["budgets", "none of its own"],
      ["priority", "0"],
      [""],
    ],
  ]);
  expect(out).not.toContain(secret.slice(3));
});

test("rotate gives another secret, and says until when the old one is good", async () => {
  const { id, secret } = await create("--label", "ci");
  const at = await run(["rotate", "ci", "--grace", "1h"]);
  const [next = ""] = at.out.split("\n");
  expect(at.out).toContain(`Key ci (${id}) has this secret now; the one before is good until 2026-11-21T13:00:00Z.\n`);
  expect([(await ring()).find(next)?.expiresAt, (await ring()).find(secret)?.expiresAt]).toEqual([
    undefined,
    Math.round(now) + 3_600_000,
  ]);
  expect((await run(["rotate", id])).out).toContain("the one before stops within a second.");
  const byJson = JSON.parse((await run(["rotate", id, "--json"])).out) as { secret: string };
  expect((await ring()).find(byJson.secret)?.id).toBe(id);
});

test.each([
  [["create", "--label", "ci"], "tollgate: There is a key with the label 'ci' already.\n"],
  [["revoke", "nobody"], 'tollgate: There is no key "nobody"; see tollgate keys list.\n'],
  [["rotate", "nobody"], 'tollgate: There is no key "nobody"; see tollgate keys list.\n'],
  [["show", "nobody"], 'tollgate: There is no key "nobody"; see tollgate keys list.\n'],
  [["change", "nobody", "--no-user"], 'tollgate: There is no key "nobody"; see tollgate keys list.\n'],
  [["change", "ci", "--label", "gone2"], "tollgate: There is a key with the label 'gone2' already.\n"],
  [
    ["change", "ci", "--system-prompt-mode", "append"],
    "tollgate: The key 'ci' has no system prompt; give one with --system-prompt.\n",
  ],
  [["revoke", "tg-hunter2"], 'tollgate: There is no key "tg-…"; see tollgate keys list.\n'],
  [["rotate", "gone"], "tollgate: The key 'gone' is revoked, which is for good; make a new one.\n"],
])("%j fails with 1 and one sentence", async (args, err) => {
  await create("--label", "ci");
  await create("--label", "gone");
  await create("--label", "gone2");
  await run(["revoke", "gone"]);
  expect(await run(args)).toEqual({ code: 1, out: "", err });
});

test.each([
  [["creat"], "keys does not know creat, did you mean create"],
  [["dance"], "keys does not know dance, only create, list, show, change, revoke and rotate"],
  [["--json"], "say what to do with keys: create, list, show, change, revoke or rotate"],
  [["create"], "keys create needs a name for the key: --label NAME"],
  [["create", "ci"], "keys create takes options only; name the key with --label"],
  [["list", "all"], "keys list takes options only"],
  [["revoke"], "keys revoke needs one key: its id or its label"],
  [["rotate", "a", "b"], "keys rotate needs one key: its id or its label"],
  [["create", "--lable", "ci"], "unknown option --lable, did you mean --label"],
  [["revoke", "ci", "--label", "x"], "--label goes with keys create and change only"],
  [["create", "--label", "ci", "--grace", "1h"], "--grace goes with keys rotate only"],
  [["create", "--label"], "--label needs a value after it"],
  [["create", "--label", "--user", "ada"], "--label needs a value after it"],
  [["create", "--label", "a", "--label", "b"], "--label is given twice"],
  [["list", "--json=yes"], "--json takes no value"],
  [["create", "--label", "key_1"], '--label begins like the id of a key; begin it with something else than "key_"'],
  [["create", "--label", "tg-hunter2"], "--label looks like a secret; a label is for everyone"],
  [
    ["create", "--label", "a", "--user", "a\nb"],
    "--user must be the name of a user, at most 200 characters on one line",
  ],
  [["create", "--label", "a", "--expires", "soon"], /^--expires must be a date such as .*30d"$/],
  [["create", "--label", "a", "--expires", "2027-02-30"], /^--expires must be a date/],
  [
    ["create", "--label", "a", "--expires", "2026-11-20"],
    "--expires is in the past; give a time to come, or revoke the key",
  ],
  [["create", "--label", "a", "--models", "gpt 4"], /^--models must be a model name or a pattern/],
  [["create", "--label", "a", "--grant", "filez"], /^--grant must be one of files, uploads/],
  [["create", "--label", "a", "--tokens-per-day", "many"], /^--tokens-per-day must be a whole number from 1 to/],
  [["create", "--label", "a", "--concurrent", "0"], /^--concurrent must be a whole number from 1 to/],
  [["create", "--label", "a", "--budget", "10"], /^--budget must be an amount in USD and a period, such as 10\/month/],
  [["create", "--label", "a", "--budget", "10/year"], "--budget must be one of day, week, month, total"],
  [["create", "--label", "a", "--budget", "1/day,2/day"], "--budget has two budgets for one period; keep one"],
  [["create", "--label", "a", "--priority", "high"], "--priority must be a whole number from -100 to 100"],
  [["create", "--label", "a", "--priority", "101"], "--priority must be a whole number from -100 to 100"],
  [["show"], "keys show needs one key: its id or its label"],
  [["change"], "keys change needs one key: its id or its label"],
  [["change", "a", "--json"], "keys change needs something to change, such as --budget 20/month or --no-expires"],
  [["create", "--label", "a", "--no-user"], "--no-user goes with keys change only"],
  [["change", "a", "--no-user", "--user", "b"], "--no-user and --user exclude each other"],
  [["change", "a", "--no-expiry"], "unknown option --no-expiry, did you mean --no-expires"],
  [
    ["change", "a", "--no-system-prompt", "--system-prompt-mode", "append"],
    "--no-system-prompt and --system-prompt-mode exclude each other",
  ],
  [["change", "a", "--concurrent", "0"], /^--concurrent must be a whole number from 1 to/],
  [["change", "a", "--system-prompt-mode", "above"], "--system-prompt-mode must be one of prepend, append, replace"],
  [
    ["create", "--label", "a", "--system-prompt-mode", "append"],
    "--system-prompt-mode goes with --system-prompt or --system-prompt-file",
  ],
  [
    ["create", "--label", "a", "--system-prompt", "x", "--system-prompt-file", "y"],
    "--system-prompt and --system-prompt-file exclude each other",
  ],
  [
    ["create", "--label", "a", "--system-prompt-file", "nowhere.txt"],
    "--system-prompt-file: nowhere.txt cannot be read; check its name, and who may read it",
  ],
  [["rotate", "a", "--grace", "long"], '--grace must be a time such as "30m", "12h" or "7d", at most 30d'],
  [["rotate", "a", "--grace", "31d"], '--grace must be a time such as "30m", "12h" or "7d", at most 30d'],
])("%j is a usage error that names what is wrong, and makes nothing", async (args, said) => {
  const { code, out, err } = await run(args);
  const [, sentence] = /^tollgate: (.*); see tollgate keys --help\.\n$/.exec(err) ?? [];
  expect([code, out, sentence]).toEqual([2, "", typeof said === "string" ? said : expect.stringMatching(said)]);
  expect(existsSync(join(folder, ".tollgate"))).toBe(false);
});

test.each([[[]], [["--help"]], [["create", "-h"]]])("%j prints the help and exits with 0", async (args) => {
  expect(await run(args)).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringMatching(/^tollgate keys: [\s\S]*Usage\n/),
  });
});

test("a bad configuration is told of, with 78; that it has no keys yet is none", async () => {
  writeFileSync(join(folder, "config.yaml"), "listen: { host: 0.0.0.0 }\n");
  expect(await run(["create", "--label", "first", "-c", "config.yaml"])).toMatchObject({ code: 0, err: "" });
  writeFileSync(join(folder, "config.yaml"), "listen: { hots: 0.0.0.0 }\n");
  expect(await run(["list", "-c", "config.yaml"])).toMatchObject({
    code: 78,
    out: "",
    err: expect.stringMatching(/^tollgate: config\.yaml:1:11: listen\.hots .*\n$/),
  });
});

test("the data folder is the one of TOLLGATE_DATA_DIR; one that cannot be written to is told of, with 1", async () => {
  expect(await run(["create", "--label", "ci"], { TOLLGATE_DATA_DIR: "other" })).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "other/tollgate.db"))).toBe(true);
  writeFileSync(join(folder, "file"), "");
  expect(await run(["create", "--label", "ci"], { TOLLGATE_DATA_DIR: "file" })).toEqual({
    code: 1,
    out: "",
    err: expect.stringMatching(/^tollgate: The data folder \S+\/file cannot be written to; [^\n]+\.\n$/),
  });
});

test("a damaged database is told of, with 1, and left as it is", async () => {
  await create("--label", "ci");
  const file = join(folder, ".tollgate/tollgate.db");
  rmSync(`${file}-wal`, { force: true });
  writeFileSync(file, "scrambled ".repeat(1000));
  for (const args of [["list"], ["create", "--label", "b"]]) {
    expect(await run(args)).toEqual({
      code: 1,
      out: "",
      err: `tollgate: ${file} is damaged, and was left as it is; restore it from a backup, or move it away to begin anew without its keys.\n`,
    });
  }
  expect(readFileSync(file, "utf8")).toBe("scrambled ".repeat(1000));
});
