// The program as a user runs it: a process of its own with its own environment and folder, and all that it says.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import nodeFlags from "../node-flags.json" with { type: "json" };
import type { Field } from "./http-wire.ts";
import { type MetricSample, metricSamples } from "./metrics-text.ts";
import { type RawAnswer, rawRequest } from "./raw-client.ts";

export interface ProgramOptions {
  /** Beside HOME and TMPDIR nothing else is set; the ports are free ones unless named here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to `config.yaml` in its folder, and named by TOLLGATE_CONFIG. */
  readonly config?: string;
  /** Further files by name, within its folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** A file descriptor in place of the pipe that is read as its standard output. */
  readonly stdout?: number;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long it may take to end, milliseconds; less than a test may, so that the test itself clears it away. */
const lifeMillis = 15_000;
const patience = { timeout: 10_000, interval: 10 };

type Line = Readonly<Record<string, unknown>>;

export interface Program extends AsyncDisposable {
  readonly folder: string;
  readonly pid: number | undefined;
  /** All that came on standard output and on standard error so far. */
  readonly out: string;
  readonly err: string;
  /** Standard output, line by line, as JSON. Throws where a line is none. */
  lines(): readonly Line[];
  /** Waits until the log has such a line. */
  line(like: Line): Promise<Line>;
  write(file: string, text: string): void;
  signal(name: NodeJS.Signals): void;
  /** Resolves when it has ended. */
  readonly closed: Promise<Ended>;
  /** How it ended, and how many milliseconds after this call; all it wrote is there by then. Rejects when it does not end. */
  ended(): Promise<Ended & { readonly millis: number }>;
}

/** A program that has told where it serves. */
export interface Gateway extends Program {
  /** Base URL for a client, with `/v1`. */
  readonly url: string;
  readonly opsUrl: string;
  /** POSTs a chat request and reads the whole answer. */
  chat(request: object, headers?: readonly Field[]): Promise<RawAnswer>;
  /** The samples of one metric, of a fresh scrape. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<readonly MetricSample[]>;
}

export const bin = fileURLToPath(new URL("../bin.ts", import.meta.url));

/** Starts `tollgate serve`. Disposing kills what is left of it, and removes its folder. */
export function program({ env = {}, config, files = {}, stdout }: ProgramOptions = {}): Program {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-main-"));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  if (config !== undefined) write("config.yaml", config);
  const child = spawn(process.execPath, [...nodeFlags, bin, "serve"], {
    cwd: folder,
    env: {
      HOME: folder,
      TMPDIR: folder,
      PORT: "0",
      METRICS_PORT: "0",
      ...(config !== undefined && { TOLLGATE_CONFIG: "config.yaml" }),
      ...env,
    },
    stdio: ["ignore", stdout ?? "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const closed = endOf(child);
  const lines = () =>
    out
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  return {
    folder,
    pid: child.pid,
    get out() {
      return out;
    },
    get err() {
      return err;
    },
    lines,
    line: (like) =>
      vi.waitFor(() => {
        const found = lines().find((line) => Object.entries(like).every(([name, value]) => line[name] === value));
        if (found === undefined) throw new Error(`no line has ${JSON.stringify(like)}:\n${out}`);
        return found;
      }, patience),
    write,
    signal: (name) => void child.kill(name),
    closed,
    async ended() {
      const from = performance.now();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Error(`it still runs after ${lifeMillis} ms; it said: ${err}`)),
          lifeMillis,
        );
      });
      const end = await Promise.race([closed, late]).finally(() => clearTimeout(timer));
      return { ...end, millis: performance.now() - from };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** How a process ended, once all that it wrote was read. */
const endOf = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });

/** Starts it and waits for its five lines. Rejects, with what it said, when it ends before. */
export async function gatewayProcess(options: ProgramOptions = {}): Promise<Gateway> {
  const started = program(options);
  const early = started.closed.then(({ code, signal }) => {
    throw new Error(`it ended (${code ?? signal}) before it served: ${started.err}`);
  });
  early.catch(() => undefined);
  const announced = vi.waitFor(() => {
    const [, url] = /(http:\S+\/v1) .*\n/.exec(started.err) ?? [];
    const [, opsUrl] = /^ {2}ops +(http:\S+) .*\n(?:.*\n){2}/m.exec(started.err) ?? [];
    if (url === undefined || opsUrl === undefined) throw new Error(`no address in: ${started.err}`);
    return { url, opsUrl };
  }, patience);
  try {
    const { url, opsUrl } = await Promise.race([announced, early]);
    return Object.assign(started, {
      url,
      opsUrl,
      chat: (request: object, headers: readonly Field[] = []) =>
        rawRequest(`${url}/chat/completions`, {
          headers: [["content-type", "application/json"], ...headers],
          body: JSON.stringify(request),
        }),
      async metric(name: string, labels: Readonly<Record<string, string>> = {}) {
        const { text } = await rawRequest(`${opsUrl}/metrics`, { method: "GET" });
        return metricSamples(text).filter(
          (sample) =>
            sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
        );
      },
    });
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}
