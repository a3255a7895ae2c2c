// The standard OTEL_* variables of trace export, read and checked once, at start.
import { readFileSync } from "node:fs";

/** Everything that sending spans by OTLP over HTTP needs. Headers and keys are secrets: never print them. */
export interface OtlpSettings {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMillis: number;
  readonly compression: "gzip" | "none";
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly batch: {
    readonly delayMillis: number;
    readonly timeoutMillis: number;
    readonly queueSpans: number;
    readonly batchSpans: number;
  };
  readonly resource: Readonly<Record<string, string>>;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads where and how spans go, or `undefined` where traces are off: no endpoint is named, or OTEL_SDK_DISABLED is
 * true, or OTEL_TRACES_EXPORTER is none. Throws an Error of one sentence that names the variable and the fix.
 *
 * As OpenTelemetry's specification has it (SDK environment variables; OTLP exporter), with two choices of our own:
 * spans are sent as OTLP JSON over HTTP, which collectors take on the same port and path as protobuf, and a batch is
 * at most 128 spans, so that turning it into JSON does not hold up traffic. OTEL_TRACES_SAMPLER is not read: the
 * gateway's tail rule decides (`traces` in its config).
 */
export function otlpSettings(env: Env): OtlpSettings | undefined {
  const value = (name: string) => env[name]?.trim() || undefined;
  const trace = (name: string) => value(`OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? value(`OTEL_EXPORTER_OTLP_${name}`);
  const named = (name: string) =>
    value(`OTEL_EXPORTER_OTLP_TRACES_${name}`) === undefined
      ? `OTEL_EXPORTER_OTLP_${name}`
      : `OTEL_EXPORTER_OTLP_TRACES_${name}`;

  if (value("OTEL_SDK_DISABLED")?.toLowerCase() === "true") return undefined;
  const exporter = value("OTEL_TRACES_EXPORTER")?.toLowerCase();
  if (exporter === "none" || (exporter === undefined && trace("ENDPOINT") === undefined)) return undefined;
  if (exporter !== undefined && exporter !== "otlp") {
    throw new Error(`OTEL_TRACES_EXPORTER: set it to otlp or none; ${JSON.stringify(exporter)} is not supported.`);
  }
  if (trace("PROTOCOL")?.toLowerCase() === "grpc") {
    throw new Error(
      `${named("PROTOCOL")}: gRPC is not supported; set it to http/json and point the endpoint at the collector's HTTP port, usually 4318.`,
    );
  }
  const file = (name: string) => {
    const path = trace(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch {
      throw new Error(`${named(name)}: the file ${path} cannot be read.`);
    }
  };
  const number = (name: string, usual: number, least = 1) => {
    const given = value(name);
    if (given === undefined) return usual;
    const parsed = Number(given);
    if (Number.isInteger(parsed) && parsed >= least && parsed <= 2 ** 31 - 1) return parsed;
    throw new Error(`${name}: ${JSON.stringify(given)} is not a whole number of at least ${least}.`);
  };
  const compression = trace("COMPRESSION")?.toLowerCase() ?? "none";
  if (compression !== "gzip" && compression !== "none") {
    throw new Error(`${named("COMPRESSION")}: set it to gzip or none.`);
  }
  const ca = file("CERTIFICATE");
  const cert = file("CLIENT_CERTIFICATE");
  const key = file("CLIENT_KEY");
  const serviceName = value("OTEL_SERVICE_NAME");
  const queueSpans = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048);
  return {
    url: endpoint(value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), value("OTEL_EXPORTER_OTLP_ENDPOINT")),
    headers: {
      ...pairs("OTEL_EXPORTER_OTLP_HEADERS", value("OTEL_EXPORTER_OTLP_HEADERS")),
      ...pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", value("OTEL_EXPORTER_OTLP_TRACES_HEADERS")),
    },
    timeoutMillis: number(named("TIMEOUT"), 10_000),
    compression,
    tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) },
    batch: {
      delayMillis: number("OTEL_BSP_SCHEDULE_DELAY", 5_000, 0),
      timeoutMillis: number("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
      queueSpans,
      batchSpans: Math.min(number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 128), queueSpans),
    },
    resource: {
      "service.name": "tollgate",
      ...pairs("OTEL_RESOURCE_ATTRIBUTES", value("OTEL_RESOURCE_ATTRIBUTES")),
      ...(serviceName !== undefined && { "service.name": serviceName }),
    },
  };
}

/** The traces endpoint stands as it is; the general one is a base to which `v1/traces` is added. */
function endpoint(own: string | undefined, base: string | undefined): string {
  const name = own === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  const text = own ?? `${(base ?? "http://localhost:4318").replace(/\/$/, "")}/v1/traces`;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${name}: set it to a URL such as http://localhost:4318.`);
  }
  return url.href;
}

/** `key=value,key=value`, values percent-encoded. A malformed list is an error that does not repeat the list. */
function pairs(name: string, text: string | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const part of text?.split(",") ?? []) {
    if (part.trim() === "") continue;
    const equals = part.indexOf("=");
    try {
      const key = decodeURIComponent(part.slice(0, Math.max(equals, 0)).trim());
      if (key === "") throw new Error("no key");
      found[key] = decodeURIComponent(part.slice(equals + 1).trim());
    } catch {
      throw new Error(`${name}: write it as key=value,key=value, with values percent-encoded.`);
    }
  }
  return found;
}
