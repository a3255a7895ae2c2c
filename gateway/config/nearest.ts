// Finds the word that a mistyped one was most likely meant to be.

/** The candidate nearest to `word`, if it is near enough to be a typing mistake or a short form. Case does not count. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const plain = fold(word);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of candidates) {
    const steps = distance(plain, fold(candidate));
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  if (best !== undefined || plain.length < 4) return best;
  for (const candidate of candidates) {
    if (fold(candidate).startsWith(plain) || plain.startsWith(fold(candidate))) return candidate;
  }
  return undefined;
}

const fold = (word: string) => word.toLowerCase();

/** Edits between two words, with a swap of neighbours as one (optimal string alignment distance). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
