// The plan of a mixed day: how many requests of each kind, in which order, and how its sums are taken.
import { dice } from "./dice.ts";
import type { Kind, Plan } from "./mixed-traffic.ts";

/** 2,000 requests. */
export const counts: Readonly<Record<Kind, number>> = {
  json: 420,
  stream: 280,
  hiddenUsage: 300,
  embedding: 80,
  file: 60,
  rejected: 90,
  notFound: 40,
  limited: 60,
  broken500: 80,
  broken503: 40,
  ourKey: 40,
  malformed: 80,
  unknownModel: 80,
  tooLarge: 40,
  cutStream: 70,
  errorEvent: 40,
  hungUp: 40,
  silent: 40,
  leftEarly: 60,
  leftMidway: 60,
};
/** All of them in an order that looks random and is the same each time, so that a failure can be seen again. */
export function plan(): readonly Plan[] {
  const { below } = dice(20_261_121);
  const kinds = Object.entries(counts).flatMap(([kind, count]) => Array.from({ length: count }, () => kind as Kind));
  for (let i = kinds.length - 1; i > 0; i -= 1) {
    const j = below(i + 1);
    [kinds[i], kinds[j]] = [kinds[j] ?? "json", kinds[i] ?? "json"];
  }
  return kinds.map((kind, index) => {
    const input = 1 + below(90_000);
    const generated = kind === "embedding" ? { output: 0 } : { output: 1 + below(9_000), cached: below(input) };
    return { kind, index, usage: { input, ...generated } };
  });
}

/** How often each key comes. */
export const tally = (keys: Iterable<string>): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const key of keys) sums[key] = (sums[key] ?? 0) + 1;
  return sums;
};

/** The sum of what is a number. */
export const sum = (values: Iterable<unknown>): number =>
  [...values].reduce<number>((total, value) => total + (typeof value === "number" ? value : 0), 0);
