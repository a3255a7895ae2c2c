// How much of a scrape the label sets may take, whatever clients send.

/** A label set is allowed this many bytes on average; what a metric may take in all follows from it. */
const bytesPerSet = 200;
/** All counters and gauges together, and all histograms together, may take as much as this many full metrics. */
const fullMetrics = 4;

/** Grants label sets until a metric, or the metrics of its sort together, have had their share. */
export interface Room {
  /** True, and taken, where a label set still fits; its bytes are counted only where that matters. */
  take(metric: { sets: number; bytes: number }, size: () => number, isHistogram: boolean): boolean;
}

/**
 * Limits: `maxSeries` label sets a metric, and 200 × `maxSeries` bytes of text a metric, and four times that for all
 * counters and gauges and for all histograms. With 2,000 this holds what callers can grow below 3.2 MB a scrape.
 * Histograms have a share of their own, since one of their label sets is twenty lines and would crowd out the rest.
 */
export function room(maxSeries: number): Room {
  const perMetric = maxSeries * bytesPerSet;
  const taken = { histograms: 0, others: 0 };
  return {
    take(metric, size, isHistogram) {
      if (metric.sets >= maxSeries) return false;
      const bytes = size();
      const sort = isHistogram ? "histograms" : "others";
      const fits = metric.bytes + bytes <= perMetric && taken[sort] + bytes <= perMetric * fullMetrics;
      if (!fits) return false;
      metric.sets++;
      metric.bytes += bytes;
      taken[sort] += bytes;
      return true;
    },
  };
}
