// The gateway's own logger: pino, on the same output as the exchange lines, with every text scrubbed.
import { type LogFn, type Logger as PinoLogger, pino } from "pino";
import type { LogOutput } from "./log-output.ts";
import { redacted, scrub } from "./scrub.ts";
import type { LogSettings } from "./settings.ts";

export type Logger = Pick<PinoLogger, "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "isLevelEnabled">;

export interface LoggerOptions {
  readonly output: LogOutput;
  readonly settings: LogSettings;
  /** The time of a line, Unix milliseconds. */
  readonly now: () => number;
}

/**
 * A logger for the gateway's own lines. Texts are scrubbed before they become JSON, at any depth, errors and their
 * causes included; a member with a secret's name is replaced whole.
 */
export function logger({ output, settings, now }: LoggerOptions): Logger {
  return pino(
    {
      level: settings.level,
      base: null,
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      // Errors have been made plain below; pino would take the plain object for another error.
      serializers: { err: (plain: unknown) => plain },
      hooks: {
        logMethod(args, method) {
          method.apply(this, safeArguments(args));
        },
      },
    },
    output,
  );
}

function safeArguments(args: readonly unknown[]): Parameters<LogFn> {
  const [first, second, ...rest] = args;
  const safe =
    first instanceof Error
      ? [{ err: clean(first, 0) }, second === undefined ? scrub(first.message) : clean(second, 0)]
      : args.length === 1
        ? [clean(first, 0)]
        : [clean(first, 0), clean(second, 0)];
  return [...safe, ...rest.map((value) => clean(value, 0))] as unknown as Parameters<LogFn>;
}

const maxDepth = 5;
/** Ids of our own: long, hexadecimal, and no secret. */
const ids: ReadonlySet<string> = new Set(["id", "key_id", "trace_id", "span_id", "revision"]);
const secretName =
  /api[_-]?key|secret|passw(?:or)?d|passphrase|credential|authorization|cookie|token$|private[_-]?key|^dsn$|^key$/i;

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return scrub(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth === maxDepth) return "…";
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    return {
      type: name,
      message: scrub(message),
      ...("code" in value && { code: clean(value.code, depth + 1) }),
      ...(stack !== undefined && { stack: scrub(stack) }),
      ...(cause !== undefined && { cause: clean(cause, depth + 1) }),
    };
  }
  if (Array.isArray(value)) return value.map((member) => clean(member, depth + 1));
  if (value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (secretName.test(name) && typeof member === "string") return [name, redacted];
      return [scrub(name), ids.has(name) ? member : clean(member, depth + 1)];
    }),
  );
}
