// The log exporter: one line of JSON for each exchange, flat and with stable names.

import type { LogOutput } from "../log-output.ts";
import type { Outcome } from "../outcome.ts";
import type { Exporter } from "../pipeline.ts";
import type { LogLevel, LogSettings } from "../settings.ts";
import { line } from "./log/line.ts";

export interface LogOptions {
  readonly output: LogOutput;
  readonly settings: LogSettings;
}

/** Weight of each level, as in pino; `silent` is above them all. */
const weights: Record<LogLevel, number> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Number.POSITIVE_INFINITY,
};

/** The level of an exchange's line. */
const outcomeLevels = {
  completed: "info",
  refused: "warn",
  abandoned: "warn",
  failed: "error",
} as const satisfies Record<Outcome["kind"], LogLevel>;

/** Writes one line per exchange, below the set level nothing. */
export function log({ output, settings }: LogOptions): Exporter {
  const least = weights[settings.level];
  return {
    name: "log",
    export(record) {
      if (record.kind !== "exchange") return;
      const level = outcomeLevels[record.outcome.kind];
      if (weights[level] >= least) output.write(line(record, level));
    },
    shutdown: () => output.flush(),
  };
}
