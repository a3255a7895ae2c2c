// What the environment says, apart from ${VAR} in files: listeners, keys, tokens, log level, Sentry, OTEL_*.
import * as z from "zod";
import type { Environment } from "./interpolate.ts";
import type { ConfigProblem } from "./problem.ts";
import { fileSchema, level } from "./schema.ts";
import { address, decimal, flag } from "./values.ts";

/** The process's own environment; nothing outside of the config module reads it. */
export const processEnvironment = (): Environment => process.env;

const { host, port } = fileSchema.shape.listen.unwrap().shape;
const token = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, "must be one line of plain ASCII characters without spaces")
  .optional();
const baseUrl = (example: string) => address(example).optional();

const switchOf = () =>
  z
    .preprocess((value) => (typeof value === "string" ? (onOff[value.toLowerCase()] ?? value) : value), flag())
    .optional();
const onOff: Readonly<Record<string, string>> = {
  "1": "true",
  yes: "true",
  on: "true",
  "0": "false",
  no: "false",
  off: "false",
  true: "true",
  false: "false",
};

// Names that other loggers use; LOG_LEVEL=INFO and WARNING mean what they seem to.
const otherLevels: Readonly<Record<string, string>> = {
  warning: "warn",
  critical: "fatal",
  off: "silent",
  none: "silent",
};

const ratio = decimal(0, 1);

const variables = z
  .object({
    HOST: host.unwrap().optional(),
    METRICS_HOST: host.unwrap().optional(),
    PORT: port.unwrap().optional(),
    METRICS_PORT: port.unwrap().optional(),
    JWT_ACCESS_SECRET: token.refine(
      (value) => value === undefined || Buffer.byteLength(value) >= 32,
      "is too short for HS256; it needs at least 32 bytes",
    ),
    OPENAI_API_KEY: token,
    OPENAI_BASE_URL: baseUrl("https://api.openai.com/v1"),
    DEEPSEEK_API_KEY: token,
    DEEPSEEK_BASE_URL: baseUrl("https://api.deepseek.com/v1"),
    REDIS_URL: z
      .string()
      .trim()
      .regex(/^rediss?:\/\/[\x21-\x7e]+$/, "must be a redis:// or rediss:// address, such as redis://127.0.0.1:6379")
      .optional(),
    LOG_LEVEL: z.preprocess((value) => {
      const lower = typeof value === "string" ? value.toLowerCase() : undefined;
      return lower === undefined ? undefined : (otherLevels[lower] ?? lower);
    }, level.optional()),
    TOLLGATE_CONFIG: z.string().optional(),
    TOLLGATE_DATA_DIR: z.string().optional(),
    TOLLGATE_ADMIN_TOKEN: token,
    TOLLGATE_METRICS_TOKEN: token,
    TOLLGATE_ALLOW_ANONYMOUS: switchOf(),
    ENABLE_METRICS: switchOf(),
    SENTRY_DSN: token,
    SENTRY_ENABLED: switchOf(),
    SENTRY_ENVIRONMENT: z.string().optional(),
    OTEL_TRACES_SAMPLER: z.string().optional(),
    OTEL_TRACES_SAMPLER_ARG: z.string().optional(),
  })
  .superRefine(({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share }, context) => {
    if (share === undefined || !sampler?.endsWith("traceidratio")) return;
    for (const { message } of ratio.safeParse(share).error?.issues ?? []) {
      context.addIssue({ code: "custom", path: ["OTEL_TRACES_SAMPLER_ARG"], message });
    }
  });

export type Variables = z.output<typeof variables>;

/** Reads the variables that Tollgate knows; one that is set but empty counts as not set, as compose files leave them. */
export function readVariables(
  env: Environment,
): { readonly variables: Variables } | { readonly problems: readonly ConfigProblem[] } {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ""));
  const result = variables.safeParse(set);
  if (result.success) return { variables: result.data };
  return {
    problems: result.error.issues.map(({ path, message }) => ({
      source: "environment",
      key: String(path[0]),
      message,
    })),
  };
}

/** The OTEL_* variables that are set, as they are. */
export function otelVariables(env: Environment): Readonly<Record<string, string>> {
  const otel: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith("OTEL_") && value !== undefined && value !== "") otel[name] = value;
  }
  return otel;
}

/** The share of traces that OTEL_TRACES_SAMPLER asks for, where it asks for one. */
export function sampleRatio({
  OTEL_TRACES_SAMPLER: sampler,
  OTEL_TRACES_SAMPLER_ARG: share,
}: Variables): number | undefined {
  const kind = sampler?.replace(/^parentbased_/, "");
  if (kind === "always_on") return 1;
  if (kind === "always_off") return 0;
  if (kind !== "traceidratio") return undefined;
  return ratio.parse(share ?? 1);
}
