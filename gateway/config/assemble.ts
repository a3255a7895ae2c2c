// Makes the gateway's Config out of a checked file and the environment's variables.
import { dirname, resolve } from "node:path";
import type { PriceRule } from "../../instrumentation/index.ts";
import { rateLimits, redisSettings } from "./allowance.ts";
import { backend, demoPrices, hybridRoute, knownProviders } from "./builtin.ts";
import { cacheSettings } from "./cache.ts";
import type { Backend, Config, RouteConfig } from "./config.ts";
import { sampleRatio, type Variables } from "./env.ts";
import { jwtSources } from "./jwt.ts";
import { declaredKeys } from "./keys.ts";
import { nearest } from "./nearest.ts";
import type { Path } from "./problem.ts";
import type { FileShape } from "./schema.ts";
import type { SecretSource } from "./secret.ts";

export interface Assembly {
  readonly file: string | undefined;
  /** Absolute. */
  readonly cwd: string;
  readonly shape: FileShape;
  readonly variables: Variables;
  readonly otel: Readonly<Record<string, string>>;
  /** The secret behind a source, or `undefined` after having complained. */
  readonly secret: (source: SecretSource, path: Path) => string | undefined;
  readonly complain: (path: Path, message: string) => void;
}

/** The configuration; complete only where nothing was complained about. Variables win over the file. */
export function assemble(assembly: Assembly): Config {
  const { file, shape, variables, otel, secret, complain } = assembly;
  const listed = shape.backends.map((entry, index) => fromFile(entry, ["backends", index], { secret, complain }));
  checkNames(shape, complain);
  const taken = new Set(listed.map(({ name }) => name));
  const built = fromVariables(variables, listed.length === 0).filter(({ name }) => !taken.has(name));
  const backends = [...listed, ...built];
  const demo = shape.demo && !taken.has("demo");
  const names = [...backends.map(({ name }) => name), ...(demo ? ["demo"] : [])];
  if (names.length === 0) complain(["demo"], "is off and no other backend is set; list one under backends");

  const known = (name: string | undefined, path: Path) => {
    if (name !== undefined && !names.includes(name)) complain(path, unknownBackend(name, names));
  };
  known(shape.defaultBackend, ["defaultBackend"]);
  shape.prices.forEach((price, index) => {
    known(price.backend, ["prices", index, "backend"]);
  });

  const listen = {
    host: variables.HOST ?? shape.listen.host,
    port: variables.PORT ?? shape.listen.port,
    opsHost: variables.METRICS_HOST ?? shape.listen.metricsHost,
    opsPort: variables.METRICS_PORT ?? shape.listen.metricsPort,
  };
  const adminToken = variables.TOLLGATE_ADMIN_TOKEN ?? optional(shape.adminToken, ["adminToken"], secret);
  const metricsToken = variables.TOLLGATE_METRICS_TOKEN ?? optional(shape.metricsToken, ["metricsToken"], secret);
  const redis = redisSettings(assembly);
  const cache = cacheSettings(assembly);
  const sentry = sentrySettings(shape, variables, secret);
  const home = built.find(({ name }) => name === "openai") ?? built[0];
  return {
    file,
    listen,
    allowAnonymous: variables.TOLLGATE_ALLOW_ANONYMOUS ?? shape.allowAnonymous,
    allowClientKeys: shape.allowClientKeys,
    jwt: jwtSources(assembly),
    keys: declaredKeys(assembly),
    dataDir: dataDir(assembly),
    ...(adminToken !== undefined && { adminToken }),
    ...(metricsToken !== undefined && { metricsToken }),
    cors: shape.cors,
    trustedProxies: shape.trustedProxies,
    limits: shape.limits,
    rateLimits: rateLimits(shape),
    budgets: shape.budgets,
    ...(redis && { redis }),
    ...(cache && { cache }),
    shutdownSeconds: shape.shutdownSeconds,
    backends,
    defaultBackend: shape.defaultBackend ?? listed[0]?.name ?? home?.name ?? "demo",
    routes: [
      ...routes(shape.routes, shape.retries, known),
      ...(built.length === 2 ? [hybridRoute(shape.retries)] : []),
    ],
    retries: shape.retries,
    demo,
    prices: prices(shape, demo),
    labels: shape.labels,
    traces: { ...shape.traces, sampleRatio: sampleRatio(variables) ?? shape.traces.sampleRatio },
    log: { ...shape.log, level: variables.LOG_LEVEL ?? shape.log.level },
    ...(sentry && { sentry }),
    metrics: variables.ENABLE_METRICS ?? shape.metrics,
    otel,
  };
}

type Checks = Pick<Assembly, "secret" | "complain">;

function fromFile(entry: FileShape["backends"][number], path: Path, { secret, complain }: Checks): Backend {
  const {
    name,
    provider = name,
    baseUrl,
    models,
    key: source,
    passClientKey = false,
    headers,
    prices: _,
    maxConcurrent,
    healthCheck,
    ...rest
  } = entry;
  const known = Object.hasOwn(knownProviders, provider) ? knownProviders[provider] : undefined;
  if (baseUrl === undefined && known === undefined) {
    complain([...path, "baseUrl"], "is missing; give the backend's address, such as https://api.example.com/v1");
  }
  if (models === undefined && known === undefined) {
    complain([...path, "models"], 'is missing; name the models it serves, or write ["*"] for any');
  }
  if (passClientKey && source !== undefined) {
    complain([...path, "passClientKey"], "is true although the backend has a key; remove one of the two");
  }
  const key = optional(source, [...path, "key"], secret);
  const sent: Record<string, string> = {};
  for (const [header, value] of Object.entries(headers)) {
    sent[header] = secret(value, [...path, "headers", header]) ?? "";
  }
  return {
    ...rest,
    name,
    provider,
    baseUrl: baseUrl ?? known?.baseUrl ?? "",
    models: models ?? known?.models ?? [],
    ...(key !== undefined && { key }),
    passClientKey,
    headers: sent,
    ...(maxConcurrent !== undefined && { maxConcurrent }),
    ...(healthCheck && { healthCheck: checked(healthCheck) }),
  };
}

const checked = ({ path, ...rest }: NonNullable<FileShape["backends"][number]["healthCheck"]>) => ({
  ...rest,
  ...(path !== undefined && { path }),
});

/**
 * The backends of OPENAI_* and DEEPSEEK_*. Where no file lists backends, OpenAI also takes every model that no other
 * backend claims, so that OPENAI_BASE_URL may point at any server; else a stranger's model name would be sent there
 * that the operator meant for no one.
 */
function fromVariables(variables: Variables, alone: boolean): Backend[] {
  const built: Backend[] = [];
  for (const [name, key, moved] of [
    ["deepseek", variables.DEEPSEEK_API_KEY, variables.DEEPSEEK_BASE_URL],
    ["openai", variables.OPENAI_API_KEY, variables.OPENAI_BASE_URL],
  ] as const) {
    const known = knownProviders[name];
    if (known === undefined || (key === undefined && moved === undefined)) continue;
    const models = name === "openai" && alone ? [...known.models, "*"] : known.models;
    const keys = key === undefined ? { passClientKey: true } : { key };
    built.push(backend({ name, provider: name, baseUrl: moved ?? known.baseUrl, models, ...keys }));
  }
  return built;
}

function checkNames({ backends }: FileShape, complain: Assembly["complain"]): void {
  const seen = new Map<string, number>();
  backends.forEach(({ name }, index) => {
    const first = seen.get(name);
    if (name === "gateway")
      complain(["backends", index, "name"], 'cannot be "gateway", which metrics use for no backend');
    if (first === undefined) seen.set(name, index);
    else complain(["backends", index, "name"], `is the name of backends[${first}] already; give each its own`);
  });
}

function unknownBackend(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return `names no backend${meant === undefined ? `; there are ${names.join(", ")}` : `; did you mean "${meant}"?`}`;
}

function prices(shape: FileShape, demo: boolean): PriceRule[] {
  return [
    ...shape.backends.flatMap(({ name, prices: own }) =>
      own.map((price, index) => rule(price, `config: backends.${name}.prices[${index}]`, name)),
    ),
    ...shape.prices.map(({ backend: only, ...price }, index) => rule(price, `config: prices[${index}]`, only)),
    ...(demo ? demoPrices : []),
  ];
}

/** The operator's routes; a target's backend must be known. */
function routes(
  listed: FileShape["routes"],
  retries: Config["retries"],
  known: (name: string, path: Path) => void,
): RouteConfig[] {
  return listed.map(({ model, strategy, targets, retries: own, systemPrompt, cache }, index) => ({
    model,
    strategy,
    targets: targets.map(({ backend, model: sent, weight, timeouts }, at) => {
      known(backend, ["routes", index, "targets", at, "backend"]);
      return { backend, ...(sent !== undefined && { model: sent }), weight, timeouts: stated(timeouts) };
    }),
    retries: own ?? retries,
    ...(systemPrompt && { systemPrompt }),
    cache,
  }));
}

/** Absent members stay absent: an `undefined` would not be the same as none. */
const stated = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };

type Price = FileShape["backends"][number]["prices"][number];

function rule(price: Price, origin: string, only: string | undefined): PriceRule {
  return { ...stated(price), model: price.model, ...(only !== undefined && { backend: only }), origin };
}

function sentrySettings({ sentry }: FileShape, variables: Variables, secret: Assembly["secret"]): Config["sentry"] {
  if (variables.SENTRY_ENABLED === false) return undefined;
  const dsn = variables.SENTRY_DSN ?? optional(sentry?.dsn, ["sentry", "dsn"], secret);
  const environment = variables.SENTRY_ENVIRONMENT ?? sentry?.environment;
  return dsn === undefined ? undefined : { dsn, ...(environment !== undefined && { environment }) };
}

/** What the file says starts at its folder, as all paths in it do. */
function dataDir({ file, cwd, shape, variables }: Assembly): string {
  if (variables.TOLLGATE_DATA_DIR !== undefined) return resolve(cwd, variables.TOLLGATE_DATA_DIR);
  if (file === undefined || shape.dataDir === undefined) return resolve(cwd, ".tollgate");
  return resolve(dirname(file), shape.dataDir);
}

const optional = (source: SecretSource | undefined, path: Path, secret: Assembly["secret"]) =>
  source === undefined ? undefined : secret(source, path);
