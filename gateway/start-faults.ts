// What a configuration that reads well still cannot start with: found by the very functions that the start uses.
import { checkDsn, otlpSettings, price } from "../instrumentation/index.ts";
import type { Config } from "./config/config.ts";

/** A sentence for each. Nothing is opened, and nothing is asked of the network. */
export function startFaults(config: Pick<Config, "prices" | "otel" | "sentry">): string[] {
  const { prices, otel, sentry } = config;
  const checks = [() => price({ rules: prices }), () => otlpSettings(otel), () => sentry && checkDsn(sentry.dsn)];
  return checks.flatMap((check) => {
    try {
      check();
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  });
}
