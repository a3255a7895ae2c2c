// What npm would publish installs into an empty folder, and runs and compiles there.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { processEnvironment } from "./config/env.ts";
import { packageVersion } from "./version.ts";

const root = join(import.meta.dirname, "..");
const own = processEnvironment();
/** The Node that runs this test comes first, and nothing in the environment configures the gateway. */
const bare = { PATH: [dirname(process.execPath), own.PATH].join(delimiter), HOME: own.HOME };
// npm needs the machine's proxy and certificates, but must not take this repository for the one to install into.
const forNpm = Object.fromEntries(
  Object.entries({ ...own, ...bare }).filter(
    ([name]) => !/^npm_(package|lifecycle|command|config_(local|global)_prefix)|^(NODE_ENV|VITEST|INIT_CWD)/.test(name),
  ),
);

let folder: string;
let packed: string[];

const run = async (program: string, args: readonly string[], cwd = folder, env: NodeJS.ProcessEnv = bare) => {
  try {
    const done = await promisify(execFile)(program, args, { cwd, env });
    return { code: 0, ...done };
  } catch (error) {
    const failed = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: failed.code, stdout: failed.stdout ?? "", stderr: failed.stderr ?? String(error) };
  }
};

const tollgate = (...args: readonly string[]) => run(join(folder, "node_modules/.bin/tollgate"), args);

const npm = async (args: readonly string[], cwd: string) => {
  const done = await run(
    "npm",
    [...args, "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
    cwd,
    forNpm,
  );
  if (done.code !== 0) throw new Error(`npm ${args[0]} failed: ${done.stderr}${done.stdout}`);
  return done.stdout;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-package-"));
  await npm(["pack", "--pack-destination", folder], root);
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack made no tarball");
  packed = (await run("tar", ["-tzf", tarball])).stdout.trim().split("\n");
  await npm(["install", `./${tarball}`], folder);
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the package", () => {
  it("holds compiled code with declarations, schema, example, README and licence, and nothing else", () => {
    const rest = packed.filter((file) => !/^package\/dist\/(gateway|instrumentation)\/.+\.(js|d\.ts)$/.test(file));
    expect(rest.sort()).toEqual([
      "package/LICENSE",
      "package/README.md",
      "package/gateway/config.example.yaml",
      "package/gateway/config.schema.json",
      "package/package.json",
    ]);
    expect(packed.filter((file) => /\.test\.|\/testing\/|\/bench\//.test(file))).toEqual([]);
  });

  it("tells its version", async () => {
    expect(await tollgate("--version")).toMatchObject({ code: 0, stdout: `${packageVersion()}\n`, stderr: "" });
  });

  it("checks a configuration, its own example with a key among them", async () => {
    expect(await tollgate("check")).toMatchObject({ code: 0 });
    const example = join(folder, "node_modules/tollgate/gateway/config.example.yaml");
    const without = await tollgate("check", "--config", example);
    expect([without.code, without.stdout]).toEqual([78, ""]);
    expect(without.stderr).toMatch(/^\S+config\.example\.yaml:\d+:\d+: backends\[0\]\.key\.env names .*\.\n$/);
    const bin = join(folder, "node_modules/.bin/tollgate");
    expect(await run(bin, ["check", "-c", example], folder, { ...bare, OPENAI_API_KEY: "sk-1" })).toMatchObject({
      code: 0,
    });
  });

  it("refuses a wrong command line with 2", async () => {
    expect(await tollgate("serv")).toMatchObject({ code: 2, stdout: "" });
  });

  it("says in one sentence what to do about an older Node, and ends with 1", async () => {
    // Node 20 as far as a program can tell; that the file parses on Node 12 was tried by hand.
    writeFileSync(
      join(folder, "older.cjs"),
      `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.9.0" } });`,
    );
    const older = { ...bare, NODE_OPTIONS: `--require=${join(folder, "older.cjs")}` };
    const { code, stdout, stderr } = await run(join(folder, "node_modules/.bin/tollgate"), ["serve"], folder, older);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^tollgate: needs Node 24 or newer, and this is Node 20\.9\.0; install Node 24 .*\n$/);
  });

  it("serves, says where, and ends with 0 on SIGTERM", async () => {
    const [port, opsPort] = [await freePort(), await freePort()];
    const child = spawn(join(folder, "node_modules/.bin/tollgate"), ["serve"], {
      cwd: folder,
      env: { ...bare, PORT: String(port), METRICS_PORT: String(opsPort) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      const told = listenTo(child);
      const status = async (at: number, path: string) => {
        if (child.exitCode !== null) throw new Error(`tollgate ended: ${told()}`);
        return fetch(`http://127.0.0.1:${at}${path}`).then(
          (answer) => answer.status,
          () => "not yet",
        );
      };
      await expect.poll(() => status(port, "/health"), { timeout: 15_000 }).toBe(200);
      await expect.poll(() => status(opsPort, "/metrics"), { timeout: 5_000 }).toBe(200);
      const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "hello" }] }),
      });
      expect([answer.status, await answer.json()]).toMatchObject([200, { choices: [{ finish_reason: "stop" }] }]);
      expect(told()).toContain(`127.0.0.1:${port}`);
      expect(told()).toContain(`127.0.0.1:${opsPort}`);
      child.kill("SIGTERM");
      const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
      expect(code).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("compiles in a strict consumer", async () => {
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          module: "nodenext",
          target: "es2024",
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          types: ["node"],
          // A consumer on Node has these of its own.
          typeRoots: [join(root, "node_modules/@types")],
          skipLibCheck: false,
        },
        files: ["consumer.ts"],
      }),
    );
    const consumer = (type: string) => `
import { type Gateway, type GatewayOptions, gateway } from "tollgate";
export const start = (options: GatewayOptions): Promise<Gateway> => gateway(options);
export const port = (options: GatewayOptions): ${type} => options.config.listen.port;
`;
    const tsc = join(root, "node_modules/.bin/tsc");
    writeFileSync(join(folder, "consumer.ts"), consumer("number"));
    expect(await run(tsc, ["-p", "."])).toMatchObject({ code: 0, stdout: "" });
    // The types are really there: were they `any`, this would compile, too.
    writeFileSync(join(folder, "consumer.ts"), consumer("string"));
    expect((await run(tsc, ["-p", "."])).stdout).toContain("TS2322");
  });
});

/** What a child has written so far, both streams together. */
function listenTo(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
  }
  return () => text;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

it("is a script of npm in a clone, whose output is the command's alone", async () => {
  const data = mkdtempSync(join(tmpdir(), "tollgate-clone-"));
  const args = ["run", "--silent", "tollgate", "--", "keys", "create", "--label", "ci", "--json"];
  const made = await run("npm", args, root, { ...forNpm, TOLLGATE_DATA_DIR: data });
  rmSync(data, { recursive: true });
  expect(made).toMatchObject({ code: 0 });
  expect(JSON.parse(made.stdout)).toMatchObject({ label: "ci", secret: expect.stringMatching(/^tg-/) });
});
