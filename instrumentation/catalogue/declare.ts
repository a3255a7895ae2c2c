// The words in which a metric is declared, and the bucket bounds that several metrics share.

interface Declared<K, L> {
  readonly kind: K;
  /** OTel unit (UCUM): `s`, `By`, `{request}`. The name already carries it; the exporter appends nothing. */
  readonly unit: string;
  readonly help: string;
  readonly labels: L;
}

export interface CounterMetric<L extends readonly string[] = readonly string[]> extends Declared<"counter", L> {
  /** Cells count whole parts of the unit, and this many of them make one: sums stay exact to the last digit. */
  readonly per?: number;
  /** A label set met for the first time is exported once at 0, so that `increase()` sees its first value. */
  readonly zeroFirst?: boolean;
}

export type GaugeMetric<L extends readonly string[] = readonly string[]> = Declared<"gauge", L>;

export interface HistogramMetric<
  L extends readonly string[] = readonly string[],
  O extends readonly string[] = readonly string[],
> extends Declared<"histogram", L> {
  /** Upper bounds, inclusive, ascending; `+Inf` is implied. */
  readonly buckets: readonly number[];
  /** Labels that a label set may lack. */
  readonly optional: O;
}

export type Metric = CounterMetric | GaugeMetric | HistogramMetric;

export const counter = <const L extends readonly string[]>(
  unit: string,
  labels: L,
  help: string,
  more: { readonly per?: number; readonly zeroFirst?: boolean } = {},
): CounterMetric<L> => ({ kind: "counter", unit, labels, help, ...more });

export const gauge = <const L extends readonly string[]>(unit: string, labels: L, help: string): GaugeMetric<L> => ({
  kind: "gauge",
  unit,
  labels,
  help,
});

export const histogram = <const L extends readonly string[], const O extends readonly string[] = []>(
  unit: string,
  labels: L,
  help: string,
  buckets: readonly number[],
  ...optional: O
): HistogramMetric<L, O> => ({ kind: "histogram", unit, labels, help, buckets, optional });

/** `count` bounds from `first` on, each `factor` times the one before. */
export const geometric = (first: number, factor: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => first * factor ** index);

/** Whole requests and their phases: 1 ms to 655 s, because models think for minutes. */
export const requestSeconds: readonly number[] = [0.001, 0.0025, 0.005, ...geometric(0.01, 2, 17)];

/** What happens inside one process: 50 µs to 1 s. */
export const overheadSeconds: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
];
