// Projects every exchange into the metrics of the catalogue.
import { activeUsers } from "../active-users.ts";
import type { Exchange } from "../exchange.ts";
import type { Exporter } from "../pipeline.ts";
import type { Counter, Registry } from "../registry.ts";
import { gateway } from "./metrics/gateway.ts";
import { genAi } from "./metrics/gen-ai.ts";
import { http, httpCells, type ServedRequest } from "./metrics/http.ts";
import { kpi } from "./metrics/kpi.ts";
import { groupOf, type Project, reasonOf, type Sample, sampleOf } from "./metrics/sample.ts";
import { type Known, zeros } from "./metrics/zeros.ts";

export type { ServedRequest } from "./metrics/http.ts";
export { countedTroubles } from "./metrics/troubles.ts";
export type { Known } from "./metrics/zeros.ts";

export interface MetricsOptions {
  readonly registry: Registry;
  /** Window of active_users_total, seconds. */
  readonly activeUserSeconds: number;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** What exists at 0 from the start. */
  readonly known?: Known;
}

export interface MetricsExporter extends Exporter {
  /** Counts a request that is no exchange: health, metrics, a preflight. */
  httpServed(request: ServedRequest): void;
}

/** Groups of equal labels whose cells are kept at hand. Past that they are forgotten and bound anew when needed. */
const maxGroups = 4_096;
const families = [http, kpi, genAi, gateway];

/**
 * Each group of exchanges with the same labels has its cells bound once; an exchange then costs one look-up and some
 * additions. Tracked events are not projected yet.
 */
export function metrics({ registry, activeUserSeconds, now, known = {} }: MetricsOptions): MetricsExporter {
  zeros(registry, known);
  const users = activeUsers({ seconds: activeUserSeconds, now });
  registry.gauge("active_users_total", { service: "gateway" }).pull(users.count);

  const group = (sample: Sample): readonly Project[] => families.map((family) => family(registry, sample));
  const groups = new Map<string, readonly Project[]>();
  const attempts = new Map<string, Counter>();
  const served = new Map<string, (seconds: number) => void>();

  const countAttempts = (exchange: Exchange, model: string) => {
    for (const { backend, result, reason: why } of exchange.attempts) {
      const reason = reasonOf(result, why);
      kept(attempts, `${backend}\n${model}\n${result}\n${reason}`, () =>
        registry.counter("gateway_attempts_total", { backend, model, result, reason }),
      ).add(1);
    }
  };

  return {
    name: "metrics",
    export(record) {
      if (record.kind !== "exchange") return;
      const sample = sampleOf(record);
      for (const project of kept(groups, groupOf(sample), () => group(sample))) project(record);
      countAttempts(record, sample.labels.model);
      const { user, keyId } = record.caller;
      if (record.outcome.kind === "refused") return;
      if (user !== undefined) users.saw(`user ${user}`);
      else if (keyId !== undefined) users.saw(`key ${keyId}`);
    },
    httpServed(request) {
      const { method, route, status, seconds } = request;
      kept(served, `${method}\n${route}\n${status}`, () => httpCells(registry, request))(seconds);
    },
    shutdown: () => Promise.resolve(),
  };
}

function kept<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const found = cache.get(key);
  if (found !== undefined) return found;
  if (cache.size >= maxGroups) cache.clear();
  const made = make();
  cache.set(key, made);
  return made;
}
