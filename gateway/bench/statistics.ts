// Medians and spreads of a few rounds.

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const finite = values.filter(Number.isFinite);
  return { median: median(finite), least: Math.min(...finite), most: Math.max(...finite) };
}

/** Round by round, `of` divided by `by`: what disturbed a round disturbed both. */
export const ratios = (of: readonly number[], by: readonly number[]): number[] =>
  of.map((value, round) => value / (by[round] ?? Number.NaN));
