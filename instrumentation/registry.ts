// The registry: cells for the metrics of the catalogue, bound once per label set, and a snapshot of them all.

import type { Metric } from "./catalogue/declare.ts";
import { type Catalogue, catalogue, type LabelsOf, type MetricName, type NameOf, openLabels } from "./catalogue.ts";
import { isLabelValue, OTHER } from "./label-value.ts";
import { type Counter, CounterCell, type Gauge, GaugeCell, type Histogram, HistogramCell } from "./registry/cells.ts";
import { room } from "./registry/room.ts";

export type { Counter, Gauge } from "./registry/cells.ts";

type LabelSet = Readonly<Record<string, string>>;

/** A metric and its values at one instant, in nobody's format. `labels` objects are the same in every snapshot. */
export type Family = { readonly name: string; readonly unit: string; readonly help: string } & (
  | { readonly kind: "counter" | "gauge"; readonly points: readonly { labels: LabelSet; value: number }[] }
  | {
      readonly kind: "histogram";
      readonly bounds: readonly number[];
      /** `counts` are per bucket, not cumulative; the last one is beyond every bound. */
      readonly points: readonly { labels: LabelSet; count: number; sum: number; counts: readonly number[] }[];
    }
);

/** Labels may be left out for a metric that has none. */
type LabelArgs<N extends MetricName> = Catalogue[N]["labels"] extends readonly [] ? [] : [labels: LabelsOf<N>];

/** Handles are cheap to use and dear to get (about 1 µs): keep them where a request passes. */
export interface Registry {
  counter<N extends NameOf<"counter">>(name: N, ...labels: LabelArgs<N>): Counter;
  gauge<N extends NameOf<"gauge">>(name: N, ...labels: LabelArgs<N>): Gauge;
  histogram<N extends NameOf<"histogram">>(name: N, ...labels: LabelArgs<N>): Histogram;
  /** Makes a label set exist at 0. It is known from config, so it takes nothing of what clients may use. */
  zero<N extends MetricName>(name: N, ...labels: LabelArgs<N>): void;
  /** Every metric that has values, in the order of the catalogue. */
  snapshot(): readonly Family[];
}

/** Values of open labels that are our own words, and stay when a label set is folded. */
const ownWords: ReadonlySet<string> = new Set(["gateway", "anonymous", OTHER]);

type Cell = CounterCell | GaugeCell | HistogramCell;

interface Series {
  readonly name: MetricName;
  readonly metric: Metric;
  readonly bounds: Float64Array;
  readonly cells: Map<string, { readonly labels: LabelSet; readonly cell: Cell }>;
  sets: number;
  bytes: number;
}

/**
 * Builds a registry. A metric takes `maxSeriesPerMetric` label sets and a share of a scrape's bytes (see room.ts);
 * past that the labels that callers control fold into `other`, counted in gateway_label_overflow_total.
 */
export function registry({ maxSeriesPerMetric = 2_000 }: { readonly maxSeriesPerMetric?: number } = {}): Registry {
  const space = room(maxSeriesPerMetric);
  const series = new Map<MetricName, Series>();
  for (const name of Object.keys(catalogue) as MetricName[]) {
    const metric: Metric = catalogue[name];
    const bounds = Float64Array.from(metric.kind === "histogram" ? metric.buckets : []);
    series.set(name, { name, metric, bounds, cells: new Map(), sets: 0, bytes: 0 });
  }

  const find = (name: MetricName): Series => {
    const found = series.get(name);
    if (!found) throw new TypeError(`no metric "${name}" in the catalogue`);
    return found;
  };

  const rejected = (metric: MetricName) => counterCell("gateway_metric_values_rejected_total", { metric }).add(1);

  const overflowed = (labels: Iterable<string>) => {
    for (const label of labels) counterCell("gateway_label_overflow_total", { label }).add(1);
  };

  const newCell = ({ name, metric, bounds, cells }: Series, key: string): Cell => {
    const reject = () => rejected(name);
    if (metric.kind === "counter") return new CounterCell(metric.per ?? 1, metric.zeroFirst ?? false, reject);
    if (metric.kind === "gauge") return new GaugeCell(reject, () => cells.delete(key));
    return new HistogramCell(bounds, reject);
  };

  const bind = (name: MetricName, given: Readonly<Record<string, string | undefined>>, known: boolean): Cell => {
    const one = find(name);
    // Nearly always the label set is there as asked for; only a new one is looked at closely.
    const wanted = keyOf(one.metric, given);
    const found = one.cells.get(wanted);
    if (found) return found.cell;
    const asked = tidy(one.metric, given);
    overflowed(asked.changed);
    const key = keyOf(one.metric, asked.labels);
    const there = key === wanted ? undefined : one.cells.get(key);
    if (there) return there.cell;

    const isHistogram = one.metric.kind === "histogram";
    const unbounded = !known && one.metric.labels.some((label) => openLabels.has(label));
    if (!unbounded || space.take(one, () => bytesOf(one, asked.labels), isHistogram))
      return add(one, key, asked.labels);

    const folded = fold(asked.labels);
    overflowed(folded.changed);
    const foldedKey = keyOf(one.metric, folded.labels);
    return one.cells.get(foldedKey)?.cell ?? add(one, foldedKey, folded.labels);
  };

  const add = (one: Series, key: string, labels: LabelSet): Cell => {
    const cell = newCell(one, key);
    one.cells.set(key, { labels, cell });
    return cell;
  };

  const counterCell = (name: NameOf<"counter">, labels: LabelSet = {}, known = false): CounterCell => {
    const cell = bind(name, labels, known);
    if (cell instanceof CounterCell) return cell;
    throw new TypeError(`${name} is no counter`);
  };

  return {
    counter: (name, ...[labels]) => counterCell(name, labels),
    gauge: (name, ...[labels]) => {
      const cell = bind(name, labels ?? {}, false);
      if (cell instanceof GaugeCell) return cell;
      throw new TypeError(`${name} is no gauge`);
    },
    histogram: (name, ...[labels]) => {
      const cell = bind(name, labels ?? {}, false);
      if (cell instanceof HistogramCell) return cell;
      throw new TypeError(`${name} is no histogram`);
    },
    zero: (name, ...[labels]) => void bind(name, labels ?? {}, true),
    snapshot: () => {
      // Reading may itself reject values, which are counted in a metric of the gateway family: read it last.
      const read = new Map<MetricName, Family>();
      for (const one of series.values()) if (one.name !== "gateway_metric_values_rejected_total") readInto(read, one);
      readInto(read, find("gateway_metric_values_rejected_total"));
      return [...series.keys()].flatMap((name) => read.get(name) ?? []);
    },
  };
}

function readInto(read: Map<MetricName, Family>, { name, metric, cells }: Series): void {
  const { unit, help } = metric;
  if (metric.kind === "histogram") {
    const points = [...cells.values()].flatMap(({ labels, cell }) =>
      cell instanceof HistogramCell ? [{ labels, ...cell.take() }] : [],
    );
    if (points.length > 0) read.set(name, { name, unit, help, kind: metric.kind, bounds: metric.buckets, points });
    return;
  }
  const points = [...cells.values()].flatMap(({ labels, cell }) => {
    const value = cell instanceof HistogramCell ? undefined : cell.take();
    return value === undefined ? [] : [{ labels, value }];
  });
  if (points.length > 0) read.set(name, { name, unit, help, kind: metric.kind, points });
}

interface Tidied {
  readonly labels: LabelSet;
  /** The labels whose value was folded into `other`. */
  readonly changed: readonly string[];
}

/** The declared labels in their order, each with a value that may stand; an optional label that is absent stays so. */
function tidy(metric: Metric, given: Readonly<Record<string, string | undefined>>): Tidied {
  const labels: Record<string, string> = {};
  const changed: string[] = [];
  for (const label of metric.labels) {
    const value = given[label];
    const stands = value !== undefined && isLabelValue(value);
    labels[label] = stands ? value : OTHER;
    if (!stands && openLabels.has(label)) changed.push(label);
  }
  if (metric.kind === "histogram") {
    for (const label of metric.optional) {
      const value = given[label];
      if (value !== undefined) labels[label] = isLabelValue(value) ? value : OTHER;
    }
  }
  return { labels, changed };
}

function fold(asked: LabelSet): Tidied {
  const labels: Record<string, string> = {};
  const changed: string[] = [];
  for (const [label, value] of Object.entries(asked)) {
    const keeps = !openLabels.has(label) || ownWords.has(value);
    labels[label] = keeps ? value : OTHER;
    if (!keeps) changed.push(label);
  }
  return { labels, changed };
}

/** Values that stand hold no control characters, so that joining them by one is unambiguous. */
function keyOf(metric: Metric, labels: Readonly<Record<string, string | undefined>>): string {
  let key = "";
  for (const label of metric.labels) key += `${labels[label]}\u001f`;
  if (metric.kind === "histogram") for (const label of metric.optional) key += labels[label] ?? "";
  return key;
}

/** About how many bytes a label set takes in the text format. */
function bytesOf({ name, metric }: Series, labels: LabelSet): number {
  let line = name.length + 16;
  for (const [label, value] of Object.entries(labels)) line += label.length + escapedBytes(value) + 4;
  return metric.kind === "histogram" ? (line + 18) * (metric.buckets.length + 3) : line;
}

const escapedBytes = (value: string): number => Buffer.byteLength(value) + value.split(/["\\]/).length - 1;
