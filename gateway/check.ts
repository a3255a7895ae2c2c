// `tollgate check`: what a configuration would serve, for people as text, for scripts as JSON; never a secret.

import { isLoopback } from "./config/anonymous.ts";
import { demoBackend } from "./config/builtin.ts";
import type { Backend, Config } from "./config/config.ts";
import type { Loaded } from "./config/load.ts";
import { sentence } from "./config/problem.ts";
import { startFaults } from "./start-faults.ts";

/** What `check --json` prints. */
export type Report =
  | { readonly ok: false; readonly problems: readonly ReportedProblem[] }
  | {
      readonly ok: true;
      /** `null` where there is no file and defaults apply. */
      readonly file: string | null;
      readonly listen: Config["listen"];
      readonly allowAnonymous: boolean;
      readonly allowClientKeys: boolean;
      /** How many sources of tokens there are. */
      readonly jwt: number;
      readonly adminToken: boolean;
      readonly metrics: boolean;
      readonly metricsToken: boolean;
      readonly backends: readonly ReportedBackend[];
      readonly defaultBackend: string;
      readonly routes: readonly ReportedRoute[];
      readonly dataDir: string;
      /** How many there are: those of the data folder, revoked ones too (`null`: in Redis, not asked), and those of the file. */
      readonly keys: { readonly created: number | null; readonly declared: number };
      /** Which limits are set of `default`, `perUser` and `total`, and how many models have their own. */
      readonly rateLimits: Pick<Config["rateLimits"], "default" | "perUser" | "total"> & { readonly models: number };
      readonly budgets: number;
      readonly traces: boolean;
      readonly sentry: boolean;
      readonly logLevel: string;
      readonly warnings: readonly string[];
    };

interface ReportedProblem {
  readonly source: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly key: string;
  readonly sentence: string;
}

interface ReportedBackend {
  readonly name: string;
  readonly provider: string;
  /** `null` for the built-in demo, which takes a free port. */
  readonly baseUrl: string | null;
  readonly key: "gateway" | "client" | "none";
  readonly models: readonly string[];
}

interface ReportedRoute {
  readonly model: string;
  readonly strategy: string;
  /** `backend`, or `backend/model` where the model has another name there. */
  readonly targets: readonly string[];
}

/** `created`: how many keys the data folder holds. */
export function report(loaded: Loaded, created = 0): Report {
  if ("problems" in loaded) {
    return {
      ok: false,
      problems: loaded.problems.map((problem) => ({
        source: problem.source,
        line: problem.line ?? null,
        column: problem.column ?? null,
        key: problem.key,
        sentence: sentence(problem),
      })),
    };
  }
  const { config } = loaded;
  const faults = startFaults(config);
  if (faults.length > 0) return refused(faults);
  const demo = config.demo ? [{ ...described(demoBackend("")), baseUrl: null }] : [];
  return {
    ok: true,
    file: config.file ?? null,
    listen: config.listen,
    allowAnonymous: config.allowAnonymous,
    allowClientKeys: config.allowClientKeys,
    jwt: config.jwt.length,
    adminToken: config.adminToken !== undefined,
    metrics: config.metrics,
    metricsToken: config.metricsToken !== undefined,
    backends: [...demo, ...config.backends.map(described)],
    defaultBackend: config.defaultBackend,
    routes: config.routes.map(({ model, strategy, targets }) => ({
      model,
      strategy,
      targets: targets.map(({ backend, model: sent }) => (sent === undefined ? backend : `${backend}/${sent}`)),
    })),
    dataDir: config.dataDir,
    keys: { created: config.redis === undefined ? created : null, declared: config.keys.length },
    rateLimits: {
      default: config.rateLimits.default,
      perUser: config.rateLimits.perUser,
      total: config.rateLimits.total,
      models: config.rateLimits.perModel.length,
    },
    budgets: config.budgets.length,
    traces: tracesAreSent(config),
    sentry: config.sentry !== undefined,
    logLevel: config.log.level,
    warnings: loaded.warnings,
  };
}

/** What keeps a start from succeeding, without a place in a file. */
export const refused = (sentences: readonly string[]): Report => ({
  ok: false,
  problems: sentences.map((one) => ({ source: "start", line: null, column: null, key: "", sentence: one })),
});

/** The report as people read it. */
export function reportText(told: Report): string {
  if (!told.ok) return told.problems.map((problem) => `${problem.sentence}\n`).join("");
  const { host, port, opsHost, opsPort } = told.listen;
  const rows = told.backends.map(({ name, provider, baseUrl, key, models }) => [
    name,
    provider === name ? "" : `(${provider})`,
    baseUrl ?? "built in",
    keyWords[key],
    models.length > 4 ? `${models.slice(0, 4).join(", ")} and ${models.length - 4} more` : models.join(", "),
  ]);
  const lines = [
    `Good: ${told.file ?? "no file, defaults and environment"}`,
    `  API       ${at(host, port)}  (${whoMay(told)})`,
    `  ops       ${at(opsHost, opsPort)}  (${told.metrics ? `/metrics${told.metricsToken ? " with a token" : ""}, ` : ""}/health, /ready)`,
    `  admin     ${told.adminToken ? "with the admin token" : "from this machine only"}`,
    `  keys      ${told.keys.created === null ? "in Redis" : `${told.keys.created} in ${told.dataDir}`}, ${told.keys.declared} in the configuration`,
    `  limits    ${limitsOf(told.rateLimits)}   budgets ${told.budgets || "none"}`,
    `  traces    ${told.traces ? "sent" : "off"}   sentry ${told.sentry ? "on" : "off"}   log ${told.logLevel}`,
    "  backends",
    ...table(rows).map((line) => `    ${line}`),
    ...(told.routes.length === 0 ? [] : ["  routes"]),
    ...table(told.routes.map(({ model, strategy, targets }) => [model, `(${strategy})`, targets.join(", ")])).map(
      (line) => `    ${line}`,
    ),
    `  requests without a model go to ${told.defaultBackend}`,
    ...told.warnings.map((warning) => `Warning: ${warning}`),
  ];
  return `${lines.join("\n")}\n`;
}

function limitsOf({ models, ...groups }: Extract<Report, { ok: true }>["rateLimits"]): string {
  const set = Object.entries(groups)
    .filter(([, limits]) => Object.keys(limits).length > 0)
    .map(([name]) => name);
  return [...set, ...(models === 0 ? [] : [`${models} by model`])].join(", ") || "none";
}

/** Who may use the API. */
function whoMay({ allowAnonymous, allowClientKeys, jwt, keys, listen }: Extract<Report, { ok: true }>): string {
  if (allowAnonymous) return "anyone who can reach it may use it";
  const where = isLoopback(listen.host) ? "this machine only" : "any machine";
  const some = keys.created === null && keys.declared === 0 ? ", with a key once Redis holds one" : ", with a key";
  const withKey = keys.created === 0 && keys.declared === 0 ? "" : some;
  const tokens = jwt === 0 ? withKey : `, with a token of ${jwt === 1 ? "one issuer" : `${jwt} issuers`} or a key`;
  return `${where}${tokens}${allowClientKeys ? ", or a provider's key where the backend takes it" : ""}`;
}

const keyWords = { gateway: "key set", client: "client's key", none: "no key" } as const;

const described = ({ name, provider, baseUrl, key, passClientKey, models }: Backend): ReportedBackend => ({
  name,
  provider,
  baseUrl,
  key: key !== undefined ? "gateway" : passClientKey ? "client" : "none",
  models,
});

const tracesAreSent = ({ otel }: Config) =>
  (otel.OTEL_EXPORTER_OTLP_ENDPOINT ?? otel.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) !== undefined &&
  otel.OTEL_SDK_DISABLED?.toLowerCase() !== "true" &&
  otel.OTEL_TRACES_EXPORTER !== "none";

const at = (host: string, port: number) => `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .filter((_, column) => widths[column] !== 0)
      .join("  ")
      .trimEnd(),
  );
}
