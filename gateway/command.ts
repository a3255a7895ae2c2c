// The `tollgate` command: reads its arguments, does what they say, and returns an exit code.
import { parseArgs } from "node:util";
import type { FillRandom } from "../instrumentation/index.ts";
import { keysCommand } from "./admission/keys/command.ts";
import { mayHoldKeys, sqliteStore } from "./admission/keys/sqlite-store.ts";
import { type Report, refused, report, reportText } from "./check.ts";
import { type LoadOptions, load, usualFile } from "./config/load.ts";
import { nearest } from "./config/nearest.ts";
import { exit } from "./exit.ts";
import { DatabaseProblem } from "./state/database.ts";
import { packageVersion } from "./version.ts";

/** Where the command writes; text comes with its line ends. */
interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface CommandOptions extends Output {
  /** Environment and files, for tests; the process's own otherwise. */
  readonly surroundings?: Omit<LoadOptions, "file" | "hasKeys">;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Cryptographically good random bytes. */
  readonly fillRandom: FillRandom;
  /** Runs the gateway until it ends; resolves to the exit code. */
  readonly serve?: (options: { configFile?: string }) => Promise<number>;
}

const help = `tollgate: a gateway between OpenAI clients and OpenAI-compatible backends

Usage
  tollgate serve [--config FILE]          run the gateway until SIGTERM or Ctrl-C
  tollgate check [--config FILE] [--json] say what would be served, without serving it
  tollgate keys ACTION                    who may use it: create, list, show, change, revoke, rotate; see tollgate keys --help
  tollgate --help | --version

Options
  -c, --config FILE  configuration; else TOLLGATE_CONFIG, else ${usualFile} if there is one, else defaults
      --json         check: print JSON instead of text
  -h, --help         print this
  -v, --version      print the version

Environment
  OPENAI_API_KEY, OPENAI_BASE_URL, DEEPSEEK_API_KEY, DEEPSEEK_BASE_URL   backends without a file
  HOST, PORT, METRICS_HOST, METRICS_PORT, LOG_LEVEL, ENABLE_METRICS     go before the file
  TOLLGATE_CONFIG, TOLLGATE_DATA_DIR, TOLLGATE_ADMIN_TOKEN, TOLLGATE_METRICS_TOKEN, TOLLGATE_ALLOW_ANONYMOUS
  SENTRY_DSN, SENTRY_ENVIRONMENT, SENTRY_ENABLED, OTEL_*

Exit codes
  ${exit.ok}   all well
  ${exit.failed}   it ran and failed
  ${exit.usage}   wrong arguments
  ${exit.badConfig}  wrong configuration
`;

const commands = ["serve", "check", "keys"] as const;
const options = {
  config: { type: "string", short: "c" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** Runs one command line, without the program's own name. Never throws for a wrong one. */
export async function command(
  args: readonly string[],
  { out, err, surroundings, serve, now, fillRandom }: CommandOptions,
): Promise<number> {
  const [first, ...others] = args;
  if (first === "keys") {
    return keysCommand(others, { out, err, now, fillRandom, ...(surroundings && { surroundings }) });
  }
  const read = readArguments(args);
  if ("fault" in read) {
    err(`tollgate: ${read.fault}; see tollgate --help.\n`);
    return exit.usage;
  }
  const { name, values } = read;
  if (values.version) {
    out(`${packageVersion()}\n`);
    return exit.ok;
  }
  if (values.help || name === undefined) {
    out(help);
    return exit.ok;
  }
  const named = values.config === undefined ? {} : { configFile: values.config };
  if (name === "serve") return (serve ?? (await import("./main.ts")).serve)(named);

  const loaded = load({ ...surroundings, file: values.config, hasKeys: mayHoldKeys });
  let told: Report;
  let code: number = exit.badConfig;
  try {
    told = report(loaded, "problems" in loaded || loaded.config.redis ? 0 : await keptKeys(loaded.config.dataDir));
    if (told.ok) code = exit.ok;
  } catch (error) {
    if (!(error instanceof DatabaseProblem)) throw error;
    told = refused([error.message]);
    code = exit.failed;
  }
  if (values.json) out(`${JSON.stringify(told, undefined, 2)}\n`);
  else (told.ok ? out : err)(reportText(told));
  return code;
}

/** How many keys the data folder holds. Rejects with a DatabaseProblem, as the start does. */
async function keptKeys(folder: string): Promise<number> {
  const store = sqliteStore(folder);
  try {
    return (await store.changes(0)).keys.length;
  } finally {
    store.close();
  }
}

interface Arguments {
  readonly name: Exclude<(typeof commands)[number], "keys"> | undefined;
  readonly values: {
    readonly config?: string;
    readonly json?: boolean;
    readonly help?: boolean;
    readonly version?: boolean;
  };
}

function readArguments(args: readonly string[]): Arguments | { readonly fault: string } {
  let parsed: ReturnType<typeof parseLoosely>;
  try {
    parsed = parseLoosely(args);
  } catch {
    return { fault: "the arguments cannot be understood" };
  }
  for (const token of parsed.tokens) {
    if (token.kind !== "option") continue;
    if (!Object.hasOwn(options, token.name)) {
      const meant = nearest(token.name, Object.keys(options));
      return { fault: `unknown option ${token.rawName}${meant === undefined ? "" : `, did you mean --${meant}`}` };
    }
    const takesValue = options[token.name as keyof typeof options].type === "string";
    if (takesValue && (token.value === undefined || token.value === "")) {
      return { fault: `${token.rawName} needs a file after it` };
    }
    if (!takesValue && token.value !== undefined) return { fault: `${token.rawName} takes no value` };
  }
  const [name, ...rest] = parsed.positionals;
  const values = parsed.values as Arguments["values"];
  if (name === undefined) {
    const idle = values.help || values.version ? undefined : parsed.tokens.find(({ kind }) => kind === "option");
    return idle === undefined ? { name: undefined, values } : { fault: "no command given: serve, check or keys" };
  }
  const known = commands.find((one) => one === name);
  if (known === undefined) {
    const meant = nearest(name, commands);
    return { fault: `unknown command ${name}${meant === undefined ? "" : `, did you mean ${meant}`}` };
  }
  if (known === "keys") return { fault: "keys goes before its options, as in tollgate keys list" };
  if (rest.length > 0) return { fault: `${known} takes no further arguments; name a file with --config` };
  if (values.json && known !== "check") return { fault: "--json goes with check only" };
  return { name: known, values };
}

const parseLoosely = (args: readonly string[]) =>
  parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
