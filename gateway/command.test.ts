// The command line: what is printed where, and with which exit code.
import { randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { command } from "./command.ts";
import { packageVersion } from "./version.ts";

const testdata = join(import.meta.dirname, "config/testdata");

const chance = { now: () => 0, fillRandom: randomFillSync };

const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const told = { out: "", err: "" };
  const serve = vi.fn(async () => 0);
  const code = await command(args, {
    out: (text) => {
      told.out += text;
    },
    err: (text) => {
      told.err += text;
    },
    surroundings: { env, cwd: testdata },
    serve,
    ...chance,
  });
  return { ...told, code, serve };
};

it.each([[["--help"]], [["-h"]], [[]], [["serve", "--help"]], [["check", "-h"]]])(
  "%j prints the help on standard output, serves nothing and exits with 0",
  async (args) => {
    const { code, out, err, serve } = await run(args);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/^tollgate: .*\n[\s\S]*Usage\n[\s\S]*Exit codes\n {2}0 {3}.*\n {2}1 .*\n {2}2 .*\n {2}78 /);
    expect(serve).not.toHaveBeenCalled();
  },
);

it.each([[["--version"]], [["-v"]], [["serve", "--version"]]])("%j prints the version alone", async (args) => {
  expect(await run(args)).toMatchObject({ code: 0, out: `${packageVersion()}\n`, err: "" });
  expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
});

it.each([
  [["chek"], "tollgate: unknown command chek, did you mean check; see tollgate --help.\n"],
  [["dance"], "tollgate: unknown command dance; see tollgate --help.\n"],
  [["serve", "--confg", "x"], "tollgate: unknown option --confg, did you mean --config; see tollgate --help.\n"],
  [["--json", "keys"], "tollgate: keys goes before its options, as in tollgate keys list; see tollgate --help.\n"],
  [["keyz"], "tollgate: unknown command keyz, did you mean keys; see tollgate --help.\n"],
  [["serve", "-x"], "tollgate: unknown option -x; see tollgate --help.\n"],
  [["serve", "--config"], "tollgate: --config needs a file after it; see tollgate --help.\n"],
  [["serve", "--config="], "tollgate: --config needs a file after it; see tollgate --help.\n"],
  [["check", "--json=yes"], "tollgate: --json takes no value; see tollgate --help.\n"],
  [["serve", "--json"], "tollgate: --json goes with check only; see tollgate --help.\n"],
  [["--json"], "tollgate: no command given: serve, check or keys; see tollgate --help.\n"],
  [
    ["serve", "my.yaml"],
    "tollgate: serve takes no further arguments; name a file with --config; see tollgate --help.\n",
  ],
])("%j is a usage error, on standard error, with 2", async (args, err) => {
  const result = await run(args);
  expect(result).toMatchObject({ code: 2, out: "", err });
  expect(result.serve).not.toHaveBeenCalled();
});

it("serve hands its file on and returns the exit code of the run", async () => {
  const { serve, code } = await run(["serve", "--config", "a.yaml"]);
  expect([serve.mock.calls, code]).toEqual([[[{ configFile: "a.yaml" }]], 0]);
  expect((await run(["serve"])).serve.mock.calls).toEqual([[{}]]);
  const failing = await command(["serve"], { out: vi.fn(), err: vi.fn(), serve: async () => 78, ...chance });
  expect(failing).toBe(78);
});

it("check says what would be served, and never a key", async () => {
  const { code, out, err } = await run(["check", "-c", "good/two-backends.yaml"], { SECRET_KEY: "sk-hunter2" });
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain("http://127.0.0.1:9000");
  expect(out).toMatch(/openai +https:\/\/api\.openai\.com\/v1 +key set +gpt-\*/);
  expect(out).toMatch(/local +\(vllm\) +http:\/\/127\.0\.0\.1:8000\/v1 +client's key +\*/);
  expect(out).toMatch(/demo +built in/);
  expect(out).toContain("Warning: adminToken is written in the file itself");
  expect(out + err).not.toMatch(/hunter2/);
});

it("check --json says the same to scripts", async () => {
  const { code, out } = await run(["check", "--json", "-c", "good/two-backends.yaml"], { SECRET_KEY: "sk-hunter2" });
  expect(code).toBe(0);
  expect(out).not.toMatch(/hunter2/);
  expect(JSON.parse(out)).toMatchObject({
    ok: true,
    listen: { port: 9000 },
    adminToken: true,
    backends: [
      { name: "demo", baseUrl: null, key: "none" },
      { name: "openai", key: "gateway", baseUrl: "https://api.openai.com/v1" },
      { name: "local", provider: "vllm", key: "client" },
    ],
    warnings: [expect.stringContaining("adminToken")],
  });
});

it("check of a bad file lists every problem on standard error and exits with 78", async () => {
  const { code, out, err } = await run(["check", "-c", "bad/three-faults.yaml"]);
  expect([code, out]).toEqual([78, ""]);
  expect(err.trimEnd().split("\n")).toHaveLength(3);
  expect(err).toContain("bad/three-faults.yaml:5:11: listen.port must be");
});

it("check --json of a bad file is JSON on standard output, with the place of each problem", async () => {
  const { code, out, err } = await run(["check", "--json", "-c", "bad/three-faults.yaml"]);
  expect([code, err]).toEqual([78, ""]);
  expect(JSON.parse(out)).toMatchObject({
    ok: false,
    problems: [{ source: "bad/three-faults.yaml", line: 5, column: 11, key: "listen.port" }, {}, {}],
  });
});

it.each([
  ["SENTRY_DSN", "nonsense", /^SENTRY_DSN is not a DSN/],
  ["OTEL_TRACES_EXPORTER", "zipkin", /^OTEL_TRACES_EXPORTER: set it to otlp or none/],
])("check finds what only a start would find: %s", async (name, value, said) => {
  const { code, out, err } = await run(["check"], {
    [name]: value,
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
  });
  expect([code, out, err]).toEqual([78, "", expect.stringMatching(said)]);
});

it("check says where keys are and how many, and fails with 1 where they cannot be read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-check-"));
  try {
    const env = { TOLLGATE_DATA_DIR: folder };
    await run(["keys", "create", "--label", "ci"], env);
    expect((await run(["check"], env)).out).toContain(`  keys      1 in ${folder}, 0 in the configuration\n`);
    const shared = { ...env, REDIS_URL: "redis://127.0.0.1:1" };
    expect((await run(["check"], shared)).out).toContain("  keys      in Redis, 0 in the configuration\n");
    rmSync(join(folder, "tollgate.db-wal"), { force: true });
    writeFileSync(join(folder, "tollgate.db"), "scrambled ".repeat(1000));
    expect(await run(["check"], env)).toMatchObject({ code: 1, out: "", err: expect.stringContaining("is damaged") });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
