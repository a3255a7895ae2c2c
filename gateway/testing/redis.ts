// A real Redis for a test: a process of its own on a free port, that can be stopped, killed, stalled and started again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  /** Ends it as a crash does, and waits until it is gone. What it held is kept only where it was started to persist. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
  /** Holds it still, so that it takes connections and answers nothing. */
  stall(): void;
  resume(): void;
}

/** redis-server of the PATH, or the one that .ci/redis.sh brings. */
function program(): string | undefined {
  const own = fileURLToPath(new URL("../../.cache/bin", import.meta.url));
  return [...(process.env.PATH ?? "").split(delimiter), own]
    .map((folder) => join(folder, "redis-server"))
    .find((path) => existsSync(path));
}

/** Why there is no Redis to test with; `undefined` where there is one. */
export function noRedis(): string | undefined {
  if (program() !== undefined) return undefined;
  const reason = "redis-server is neither on the PATH nor in .cache/bin; .ci/redis.sh brings it";
  process.stderr.write(`skipped: ${reason}\n`);
  return reason;
}

export interface RedisServerOptions {
  /** Writes every command down before it answers, and reads them at its next start. */
  readonly persists?: boolean;
}

/** Starts one; dispose it at the end of the test. */
export async function redisServer({ persists = false }: RedisServerOptions = {}): Promise<RedisServer> {
  const path = program();
  if (path === undefined) throw new Error("there is no redis-server");
  const folder = mkdtempSync(join(tmpdir(), "tollgate-redis-"));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async () => {
    const log = persists ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...log];
    child = spawn(path, args, { stdio: ["ignore", "pipe", "inherit"] });
    await ready(child);
  };
  const kill = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    stall: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when it says that it takes connections. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/Ready to accept connections/.test(said)) resolve();
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`redis-server ended (${code}): ${said}`)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
