// Projects every exchange into the metrics of the catalogue.
import { activeUsers } from "../active-users.ts";
import type { Exchange } from "../exchange.ts";
import type { Exporter } from "../pipeline.ts";
import type { Counter, Registry } from "../registry.ts";
import { feature } from "./metrics/feature.ts";
import { gateway } from "./metrics/gateway.ts";
import { genAi } from "./metrics/gen-ai.ts";
import { groups } from "./metrics/groups.ts";
import { http, httpCells, methodLabel, type ServedRequest } from "./metrics/http.ts";
import { kpi } from "./metrics/kpi.ts";
import { type Project, reasonOf, sampleOf } from "./metrics/sample.ts";
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
const projections = [http, kpi, genAi, gateway];

/**
 * Each family of metrics binds its cells once for all exchanges of the same labels; an exchange then costs a short
 * look-up and some additions for each. Tracked events are not projected yet.
 */
export function metrics({ registry, activeUserSeconds, now, known = {} }: MetricsOptions): MetricsExporter {
  zeros(registry, known);
  const users = activeUsers({ seconds: activeUserSeconds, now });
  registry.gauge("active_users_total", { service: "gateway" }).pull(users.count);

  const families = projections.map((projection) => ({ ...projection, found: groups<Project>(maxGroups) }));
  const attempts = groups<Counter>(maxGroups);
  const features = groups<Project>(maxGroups);
  const served = groups<(seconds: number) => void>(maxGroups);

  const countAttempts = (exchange: Exchange, model: string) => {
    for (const { backend, result, reason: why } of exchange.attempts) {
      const reason = reasonOf(result, why);
      attempts([backend, model, result, reason], () =>
        registry.counter("gateway_attempts_total", { backend, model, result, reason }),
      ).add(1);
    }
  };

  return {
    name: "metrics",
    export(record) {
      if (record.kind !== "exchange") return;
      const sample = sampleOf(record);
      const { outcome, caller } = record;
      const { model, feature: named } = sample.labels;
      for (const { group, bind, found } of families) found(group(sample), () => bind(registry, sample))(record);
      countAttempts(record, model);
      if (named !== undefined) features([named, outcome.kind], () => feature(registry, named, outcome.kind))(record);
      if (outcome.kind === "refused") return;
      if (caller.user !== undefined) users.saw("user", caller.user);
      else if (caller.keyId !== undefined) users.saw("key", caller.keyId);
    },
    httpServed(request) {
      const { method, route, status, seconds } = request;
      served([methodLabel(method), route, status], () => httpCells(registry, request))(seconds);
    },
    shutdown: () => Promise.resolve(),
  };
}
