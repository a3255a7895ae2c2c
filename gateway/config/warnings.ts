// What works in a configuration but is worth a second look before it is run.
import type { Backend, Config } from "./config.ts";

/** Sentences for the operator. `written` is the file's content before variables were put in; no value is shown. */
export function warnings(written: unknown, config: Config): string[] {
  return [...plainSecrets(written), ...unencrypted(config), ...shadowed(config), ...looseTokens(config)];
}

function plainSecrets(written: unknown): string[] {
  const file = record(written);
  const found: string[] = [];
  const look = (source: unknown, key: string) => {
    const text = typeof source === "string" ? source : record(source).value;
    if (typeof text === "string" && !/\$\{/.test(text.replaceAll("$$", ""))) {
      found.push(`${key} is written in the file itself; keep it out with { env: NAME } or { file: PATH }.`);
    }
  };
  look(file.adminToken, "adminToken");
  look(file.metricsToken, "metricsToken");
  const keys = Array.isArray(file.keys) ? file.keys : [];
  keys.forEach((entry, index) => {
    look(record(entry).key, `keys[${index}].key`);
  });
  const sources = Array.isArray(file.jwt) ? file.jwt : [];
  sources.forEach((entry, index) => {
    look(record(entry).secret, `jwt[${index}].secret`);
  });
  const backends = Array.isArray(file.backends) ? file.backends : [];
  backends.forEach((entry, index) => {
    const backend = record(entry);
    look(backend.key, `backends[${index}].key`);
    for (const [header, value] of Object.entries(record(backend.headers))) {
      if (/auth|key|token|secret/i.test(header)) look(value, `backends[${index}].headers.${header}`);
    }
  });
  return found;
}

function unencrypted({ backends }: Config): string[] {
  return backends
    .filter(
      ({ baseUrl, key }) => key !== undefined && baseUrl.startsWith("http:") && !isNear(new URL(baseUrl).hostname),
    )
    .map(({ name }) => `The key of backend ${name} travels unencrypted; give it an https baseUrl.`);
}

/** Sources whose tokens may be meant for someone else, or whose keys anyone on the way can replace. */
function looseTokens({ jwt }: Config): string[] {
  return jwt.flatMap((source, index) => {
    if (!("jwksUrl" in source)) return [];
    const found: string[] = [];
    const { protocol, hostname } = new URL(source.jwksUrl);
    if (source.audience.length === 0 || source.issuer === undefined) {
      found.push(
        `jwt[${index}] takes every token of its issuer, whoever it was made for; name its issuer and audience.`,
      );
    }
    if (protocol === "http:" && !isNear(hostname))
      found.push(`The keys of jwt[${index}] travel unprotected; give it an https jwksUrl.`);
    return found;
  });
}

/** This machine, a private address, or a name without a dot, as in a container network. */
const isNear = (host: string) =>
  /^(localhost|\[::1\]|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|[^.]+|.*\.(local|internal))$/.test(host);

/**
 * Models that an earlier backend takes away. An exact name goes before every pattern, an earlier backend before a later,
 * and a route before them all.
 */
function shadowed({ backends, routes }: Config): string[] {
  const found: string[] = [];
  backends.forEach((backend, index) => {
    const earlier = backends.slice(0, index);
    const own = routes.filter(({ targets }) => targets.some((target) => target.backend === backend.name));
    const lost = backend.models.filter(
      (model) => earlier.some((before) => takes(before, model)) && !own.some((route) => covers(route.model, model)),
    );
    if (lost.length === 0) return;
    const by = earlier.filter((before) => lost.some((model) => takes(before, model))).map(({ name }) => name);
    found.push(
      `Backend ${backend.name} never gets ${lost.join(", ")}: ${by.join(" and ")} ${by.length > 1 ? "stand" : "stands"} ` +
        "before it and takes the same; change the order or the models.",
    );
  });
  return found;
}

function takes(before: Backend, model: string): boolean {
  if (!model.includes("*")) return before.models.includes(model);
  return before.models.some((pattern) => covers(pattern, model));
}

/** Whether every name that `model` matches is matched by `pattern`: `*` in `model` is a character like any other. */
function covers(pattern: string, model: string): boolean {
  const literal = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join(".*")}$`, "s").test(model);
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
