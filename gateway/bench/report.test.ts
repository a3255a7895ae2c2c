import { expect, test } from "vitest";
import { bare, deciding, tollgate } from "./contenders.ts";
import type { Throughput } from "./measure.ts";
import { text } from "./print.ts";
import { direct, type Findings, report } from "./report.ts";
import type { Round } from "./rounds.ts";
import { median } from "./statistics.ts";

const figures = (some: Partial<Throughput>): Throughput => ({
  perSecond: 1000,
  cpuMicros: 100,
  busy: 1,
  p50: 1,
  p99: 2,
  ...some,
});
const round = (all: Record<string, Partial<Throughput>>): Round =>
  new Map(Object.entries(all).map(([name, some]) => [name, figures(some)]));
const names = [bare, tollgate];
const bars = (findings: Findings) =>
  report(findings, names).bars.map(({ name, found, holds }) => [name, found.median, holds]);

test("the median of an even number of rounds is the mean of the middle two, and a failed round does not count", () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([3, Number.NaN, 1, 2])).toBe(2);
  expect(median([])).toBeNaN();
});

test("throughput is judged by the ratio within each round, not by the ratio of medians", () => {
  const json = [
    round({ [bare]: { perSecond: 1000 }, [tollgate]: { perSecond: 1200 } }),
    round({ [bare]: { perSecond: 500 }, [tollgate]: { perSecond: 600 } }),
    round({ [bare]: { perSecond: 2000 }, [tollgate]: { perSecond: 1000 } }),
  ];
  expect(bars({ json })).toEqual([["JSON throughput", 1.2, true]]);
});

test("a bar that is just missed is missed", () => {
  const sse = [round({ [bare]: { perSecond: 1000 }, [tollgate]: { perSecond: 1299 } })];
  expect(bars({ sse })).toEqual([["SSE throughput", 1.299, false]]);
});

test("one that decides has bars of its own for throughput, and none else", () => {
  const rounds = (perSecond: number) => [
    round({ [bare]: { perSecond: 1000 }, [tollgate]: { perSecond: 1400 }, [deciding]: { perSecond } }),
  ];
  const memory = new Map([[deciding, [{ perStream: 1, base: 0, streams: 1 }]]]);
  expect(bars({ json: rounds(1000), sse: rounds(1250), memory })).toEqual([
    ["JSON throughput", 1.4, true],
    ["SSE throughput", 1.4, true],
    ["JSON throughput, deciding", 1, true],
    ["SSE throughput, deciding", 1.25, true],
  ]);
  expect(bars({ json: rounds(999), sse: rounds(1249) }).slice(2)).toEqual([
    ["JSON throughput, deciding", 0.999, false],
    ["SSE throughput, deciding", 1.249, false],
  ]);
});

test("latency counts what each adds to a direct answer", () => {
  const latency = [round({ [direct]: { p50: 0.1 }, [bare]: { p50: 0.3 }, [tollgate]: { p50: 0.35 } })];
  expect(bars({ latency })[0]?.[1]).toBeCloseTo(1.25);
  expect(bars({ latency })[0]?.[2]).toBe(false);
});

test("memory is judged in KB of 1024 bytes", () => {
  const memory = new Map([[tollgate, [{ perStream: 40 * 1024, base: 0, streams: 1 }]]]);
  expect(bars({ memory })).toEqual([["memory per stream", 40, true]]);
});

test("each cost is what a layer adds to the one before it, and together they are the whole", () => {
  const all = round({
    "Tollgate up to forwarding": { cpuMicros: 50 },
    "Tollgate up to metering": { cpuMicros: 58 },
    "Tollgate up to metrics": { cpuMicros: 60 },
    "Tollgate up to spans": { cpuMicros: 61 },
    [tollgate]: { cpuMicros: 64 },
    [deciding]: { cpuMicros: 74 },
    [bare]: {},
  });
  const { costs } = report({ json: [all], sse: [all] }, names);
  expect(costs.map(({ layer, json }) => [layer, json.median])).toEqual([
    ["forwarding", 50],
    ["metering", 8],
    ["metrics", 2],
    ["spans", 1],
    ["logs", 3],
    ["deciding", 10],
  ]);
  expect(text({ rows: [], bars: [], doubts: [], costs })).toMatch(/together +74\.0 +74\.0/);
});

test("figures of a disturbed machine are doubted", () => {
  const busy = (share: number) => [round({ [bare]: { busy: 1 }, [tollgate]: { busy: share } })];
  expect(report({ json: busy(0.95), sse: busy(0.95) }, names).doubts).toEqual([]);
  expect(report({ json: busy(0.95), sse: busy(0.5) }, names).doubts.join()).toContain("only 50 %");
});
