// Feeds the metrics of features; apart from the others, whose groups they would multiply.
import type { LabelsOf } from "../../catalogue.ts";
import { discardedNanoUsd } from "../../discarded.ts";
import type { Registry } from "../../registry.ts";
import { lazily, type Project } from "./sample.ts";

export function feature(registry: Registry, labels: LabelsOf<"gateway_feature_requests_total">): Project {
  const { feature } = labels;
  const requests = registry.counter("gateway_feature_requests_total", labels);
  const spent = lazily(() => registry.counter("gateway_feature_cost_usd_total", { feature }));
  return (exchange) => {
    const { cost } = exchange;
    requests.add(1);
    if (cost !== undefined && cost.status !== "unpriced") spent().add(cost.nanoUsd);
    const lost = discardedNanoUsd(exchange);
    if (lost > 0) spent().add(lost);
  };
}
