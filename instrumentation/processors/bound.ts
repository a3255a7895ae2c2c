// Bounds the values that callers control, so that they may stand as metric labels.
import { answeringAttempt, type Exchange, type Labels } from "../exchange.ts";
import { isLabelValue, maxLabelLength, OTHER } from "../label-value.ts";
import type { Processor } from "../pipeline.ts";
import type { LabelSettings } from "../settings.ts";

export interface BoundOptions {
  readonly settings: LabelSettings;
  /** Models and keys known from config, beside those that the settings name. */
  readonly models?: Iterable<string>;
  readonly keys?: Iterable<string>;
  /** Called once for each value that was folded into `other`. */
  readonly overflow: (label: "model" | "served_model" | "key" | "feature") => void;
}

/**
 * Sets `labels` on every exchange: known names, then the first names to come up to each cap, then `other`.
 *
 * A model or feature earns a label only by an exchange that a backend (or the cache) answered with success, so names
 * that nobody serves take no place; a key has one by being known, for its label is the operator's. Memory is bounded by the caps, whatever comes.
 */
export function bound({ settings, models = [], keys = [], overflow }: BoundOptions): Processor {
  const { maxModels, maxFeatures, maxKeys } = settings;
  const knownModels = [...settings.models, ...models];
  const model = names(knownModels, maxModels, () => overflow("model"));
  const servedModel = names(knownModels, maxModels, () => overflow("served_model"));
  const key = names(keys, maxKeys, () => overflow("key"));
  const feature = names(settings.features, maxFeatures, () => overflow("feature"));

  return function bound(record) {
    if (record.kind !== "exchange") return record;
    const { model: named, caller, purpose } = record;
    const answered = wasAnswered(record);
    const keyName = caller.keyLabel ?? caller.keyId;
    const labels: Labels = {
      model: named.requested === undefined ? OTHER : model(named.requested, answered),
      servedModel: named.served === undefined ? OTHER : servedModel(named.served, answered),
      key: keyName === undefined ? "anonymous" : key(keyName, true),
      ...(purpose.feature !== undefined && { feature: feature(purpose.feature, answered) }),
    };
    return Object.freeze({ ...record, labels: Object.freeze(labels) });
  };
}

/** True where the backend's answer was a success, even if it then broke off or its client left. */
function wasAnswered(exchange: Exchange): boolean {
  const status = answeringAttempt(exchange)?.status;
  return exchange.outcome.kind === "completed" || (status !== undefined && status >= 200 && status < 300);
}

/** Keeps `known` names and the first `max` others that deserve it. */
function names(known: Iterable<string>, max: number, folded: () => void): (name: string, deserves: boolean) => string {
  const kept = new Set(known);
  const limit = kept.size + max;
  return (name, deserves) => {
    if (name.length <= maxLabelLength) {
      if (kept.has(name)) return name;
      if (deserves && kept.size < limit && isLabelValue(name)) {
        kept.add(name);
        return name;
      }
    }
    folded();
    return OTHER;
  };
}
