// Loads the configuration: file and environment in, a complete Config or every problem found out.
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { openDoor } from "./anonymous.ts";
import { assemble } from "./assemble.ts";
import type { Config } from "./config.ts";
import { otelVariables, processEnvironment, readVariables, type Variables } from "./env.ts";
import { type Environment, interpolate } from "./interpolate.ts";
import { type Reporter, reporter } from "./issues.ts";
import type { ConfigProblem, Path } from "./problem.ts";
import { fileSchema } from "./schema.ts";
import { readSecret } from "./secret.ts";
import { warnings } from "./warnings.ts";
import { parseYaml } from "./yaml.ts";

/** Where a configuration is looked for when none is named, under the working directory. */
export const usualFile = "gateway/config.yaml";

export interface LoadOptions {
  /** Named by flag; goes before TOLLGATE_CONFIG and the usual place. */
  readonly file?: string | undefined;
  readonly env?: Environment;
  readonly cwd?: string;
  /** Text of a file; throws like readFileSync. */
  readonly read?: (path: string) => string;
  /** Whether callers have keys beside those that the file declares; none when not given. */
  readonly hasKeys?: (config: Config) => boolean;
}

export type Loaded =
  | {
      readonly config: Config;
      /** What works but is worth a thought; sentences. */
      readonly warnings: readonly string[];
      /** Absolute paths of what was read, secrets too: whatever should be watched. */
      readonly files: readonly string[];
    }
  | { readonly problems: readonly ConfigProblem[]; readonly files: readonly string[] };

/** Never throws for what an operator can get wrong; all problems are found in one go. */
export function load({
  file: named,
  env = processEnvironment(),
  cwd = process.cwd(),
  read = (path) => readFileSync(path, "utf8"),
  hasKeys = () => false,
}: LoadOptions = {}): Loaded {
  const wanted = named ?? (env.TOLLGATE_CONFIG || undefined);
  const path = resolve(cwd, wanted ?? usualFile);
  const files = new Set([path]);
  const source = displayed(path, cwd);
  const fail = (problems: readonly ConfigProblem[]): Loaded => ({ problems, files: [...files] });
  const stands = readVariables(env);
  const found = "problems" in stands ? [...stands.problems] : [];

  let content: string | undefined;
  try {
    content = read(path);
  } catch (error) {
    const gone = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (wanted !== undefined || !gone) {
      const message = gone
        ? `does not exist; create it, or mend ${named === undefined ? "TOLLGATE_CONFIG" : "--config"}`
        : "cannot be read; check that it is a file, and who may read it";
      return fail([...found, { source, key: "", message }]);
    }
  }

  const { value, report, faults } = parse(content, source);
  if (faults.length > 0) return fail([...found, ...faults]);
  const resolved = interpolate(value, env, (at, message) => found.push(report.problem(at, message)));
  const checked = fileSchema.safeParse(resolved);
  if (!checked.success) {
    // A value that could not be resolved is wrong once, not twice.
    const told = new Set(found.map(({ key }) => key));
    return fail([...found, ...report.issues(checked.error.issues).filter(({ key }) => !told.has(key))]);
  }

  const complain = (at: Path, message: string) => found.push(report.problem(at, message));
  const config = assemble({
    file: content === undefined ? undefined : path,
    cwd: resolve(cwd),
    shape: checked.data,
    variables: "variables" in stands ? stands.variables : {},
    otel: otelVariables(env),
    complain,
    secret(from, at) {
      const secret = readSecret(from, { env, folder: dirname(path), read, used: (used) => files.add(used) });
      if ("value" in secret) return secret.value;
      complain(secret.at === undefined ? at : [...at, secret.at], secret.message);
      return undefined;
    },
  });
  if (found.length === 0) {
    const hasCallerKeys = config.jwt.length > 0 || config.keys.length > 0 || hasKeys(config);
    found.push(...listenerProblems(config, "variables" in stands ? stands.variables : {}, report, hasCallerKeys));
  }
  if (found.length > 0) return fail(found);
  return { config: frozen(config), warnings: warnings(value, config), files: [...files] };
}

function parse(content: string | undefined, source: string) {
  const empty = reporter(source, () => undefined);
  if (content === undefined) return { value: {}, report: empty, faults: [] };
  // An editor that is about to write leaves an empty file for a moment; taken as defaults it would drop every backend.
  if (content.trim() === "") {
    const message = "is empty; write at least a comment into it, or remove it to run on defaults";
    return { value: {}, report: empty, faults: [{ source, key: "", message }] };
  }
  const parsed = parseYaml(content);
  if ("faults" in parsed) {
    return { value: {}, report: empty, faults: parsed.faults.map((fault) => ({ source, key: "", ...fault })) };
  }
  return { value: parsed.value ?? {}, report: reporter(source, (path) => parsed.place(path)), faults: [] };
}

function listenerProblems(
  config: Config,
  variables: Variables,
  report: Reporter,
  hasCallerKeys: boolean,
): ConfigProblem[] {
  const { host, port, opsHost, opsPort } = config.listen;
  const problems: ConfigProblem[] = [];
  const said = (by: readonly ("HOST" | "PORT" | "METRICS_PORT")[], key: string, message: string) => {
    const variable = by.find((name) => variables[name] !== undefined);
    const place = variable && { source: "environment", key: variable, message };
    problems.push(place ?? report.problem(["listen", key], message));
  };
  const open = openDoor(config, { hasCallerKeys });
  if (open !== undefined) said(["HOST"], "host", open);
  const meets = host === opsHost || [host, opsHost].some((one) => one === "0.0.0.0" || one === "::");
  if (port !== 0 && port === opsPort && meets) {
    said(["METRICS_PORT", "PORT"], "metricsPort", `is ${port} for both listeners; give each a port of its own`);
  }
  return problems;
}

/** Relative where that is shorter to read: below the working directory. */
function displayed(path: string, cwd: string): string {
  const near = relative(cwd, path);
  return near.startsWith("..") || isAbsolute(near) ? path : near;
}

function frozen<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const entry of Object.values(value)) frozen(entry);
  }
  return value;
}
