// Projects every exchange into the metrics of the catalogue.
import { activeUsers } from "../active-users.ts";
import type { LabelsOf } from "../catalogue.ts";
import type { Exporter } from "../pipeline.ts";
import type { Counter, Registry } from "../registry.ts";
import { feature } from "./metrics/feature.ts";
import { gateway } from "./metrics/gateway.ts";
import { genAi } from "./metrics/gen-ai.ts";
import { groups } from "./metrics/groups.ts";
import { http, httpCells, methodLabel, type ServedRequest } from "./metrics/http.ts";
import { kpi } from "./metrics/kpi.ts";
import { type Project, reasonOf, type Sample, sampleOf } from "./metrics/sample.ts";
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
  /** What is newly known exists at 0 from now on; what was counted stays. */
  foretell(known: Known): void;
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

  const families = projections.map(({ group, bind }) => ({
    group,
    find: groups<Project, Sample>(maxGroups, (sample) => bind(registry, sample)),
  }));
  const attempts = groups<Counter, LabelsOf<"gateway_attempts_total">>(maxGroups, (labels) =>
    registry.counter("gateway_attempts_total", labels),
  );
  const features = groups<Project, LabelsOf<"gateway_feature_requests_total">>(maxGroups, (labels) =>
    feature(registry, labels),
  );
  const served = groups<(seconds: number) => void, ServedRequest>(maxGroups, (request) => httpCells(registry, request));

  return {
    name: "metrics",
    export(record) {
      if (record.kind !== "exchange") return;
      const sample = sampleOf(record);
      const { outcome, caller } = record;
      const { model, feature: named } = sample.labels;
      for (const { group, find } of families) find(group(sample), sample)(record);
      for (const { backend, result, reason: why } of record.attempts) {
        const reason = reasonOf(result, why);
        attempts([backend, result, reason, model], { backend, model, result, reason }).add(1);
      }
      if (named !== undefined) features([named, outcome.kind], { feature: named, outcome: outcome.kind })(record);
      if (outcome.kind === "refused") return;
      if (caller.user !== undefined) users.saw("user", caller.user);
      else if (caller.keyId !== undefined) users.saw("key", caller.keyId);
    },
    httpServed(request) {
      const { method, route, status, seconds } = request;
      served([methodLabel(method), route, status], request)(seconds);
    },
    foretell: (more) => zeros(registry, more),
    shutdown: () => Promise.resolve(),
  };
}
