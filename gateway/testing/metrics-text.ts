// Reads the Prometheus text format (0.0.4), and sums what it says.

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/g;

/** All samples, in order. Throws on a line that is neither a sample nor a comment. */
export function metricSamples(text: string): readonly MetricSample[] {
  return text
    .split("\n")
    .filter((row) => row !== "" && !row.startsWith("#"))
    .map((row) => {
      const [, name, labels = "", value] = line.exec(row) ?? [];
      if (name === undefined || value === undefined) throw new Error(`not a sample: ${row}`);
      const pairs = [...labels.matchAll(label)].map(([, key = "", quoted = ""]) => [key, unquoted(quoted)] as const);
      return { name, labels: Object.fromEntries(pairs), value: Number(value) };
    });
}

const unquoted = (text: string) => text.replace(/\\(.)/g, (_, sign: string) => (sign === "n" ? "\n" : sign));

/** The sums of a metric for each combination of the labels `by`, joined by a space; what is 0 is left out. */
export function sumsBy(
  samples: readonly MetricSample[],
  name: string,
  by: readonly string[],
  only: Readonly<Record<string, string>> = {},
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { labels, value, ...sample } of samples) {
    if (sample.name !== name || Object.entries(only).some(([key, wanted]) => labels[key] !== wanted)) continue;
    const key = by.map((one) => labels[one] ?? "").join(" ");
    if (value !== 0) sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
}
