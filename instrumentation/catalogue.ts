// The catalogue: every metric declared once, and the types that follow from it.
import type { Metric } from "./catalogue/declare.ts";
import { gateway } from "./catalogue/gateway.ts";
import { genAi } from "./catalogue/gen-ai.ts";
import { host } from "./catalogue/host.ts";
import { kpi } from "./catalogue/kpi.ts";

/**
 * Name → declaration. The name carries unit and `_total` itself, since the exporter appends nothing.
 * Add here, rename nothing: dashboards, rules and other teams rely on names and labels.
 */
export const catalogue = { ...kpi, ...genAi, ...gateway, ...host } satisfies Record<string, Metric>;

export type Catalogue = typeof catalogue;
export type MetricName = keyof Catalogue;

/** The names of one kind, e.g. `NameOf<"counter">`. */
export type NameOf<K extends Metric["kind"]> = {
  [N in MetricName]: Catalogue[N]["kind"] extends K ? N : never;
}[MetricName];

type OptionalLabel<N extends MetricName> = Catalogue[N] extends {
  readonly optional: readonly (infer O extends string)[];
}
  ? O
  : never;

/** The labels that a value of the metric must have, and those it may have. */
export type LabelsOf<N extends MetricName> = { readonly [L in Catalogue[N]["labels"][number]]: string } & {
  readonly [L in OptionalLabel<N>]?: string;
};

/** Labels whose values callers control, here or in the services that report events: they fold into `other`. */
export const openLabels: ReadonlySet<string> = new Set([
  "model",
  "gen_ai_request_model",
  "gen_ai_response_model",
  "key",
  "feature",
  "service",
  "payment_method",
  "plan",
  "queue_name",
  "job_type",
] satisfies { [N in MetricName]: Catalogue[N]["labels"][number] }[MetricName][]);
