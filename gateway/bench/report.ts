// From rounds to figures: medians, ratios to the bare proxy, costs apart, and which bars hold.
import { bare, deciding, type Layer, layers, nameOf, tollgate } from "./contenders.ts";
import type { Memory, Throughput } from "./measure.ts";
import type { Round } from "./rounds.ts";
import { ratios, type Spread, spread } from "./statistics.ts";

/** What a run found; a part that was not asked for is absent. */
export interface Findings {
  readonly json?: readonly Round[];
  readonly sse?: readonly Round[];
  /** With the backend itself among the contenders, under the name `direct`. */
  readonly latency?: readonly Round[];
  readonly memory?: ReadonlyMap<string, readonly Memory[]>;
}

export const direct = "direct";

export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, Spread>>;
}

export interface Bar {
  readonly name: string;
  readonly limit: number;
  readonly is: "at least" | "at most";
  readonly unit: string;
  readonly found: Spread;
  readonly holds: boolean;
}

export interface Cost {
  readonly layer: Layer;
  /** Processor time that it adds to one answer, microseconds. */
  readonly json: Spread;
  readonly sse: Spread;
}

export interface Report {
  readonly rows: readonly Row[];
  readonly bars: readonly Bar[];
  readonly costs: readonly Cost[];
  /** What speaks against the figures; sentences. */
  readonly doubts: readonly string[];
}

const column = (rounds: readonly Round[], name: string, figure: keyof Throughput): number[] =>
  rounds.map((round) => round.get(name)?.[figure] ?? Number.NaN);

/** Milliseconds between the median answer through `name` and the median direct one, in microseconds, by round. */
const added = (rounds: readonly Round[], name: string): number[] =>
  rounds.map((round) => ((round.get(name)?.p50 ?? Number.NaN) - (round.get(direct)?.p50 ?? Number.NaN)) * 1000);

const has = (rounds: readonly Round[] | undefined, name: string): rounds is readonly Round[] =>
  rounds?.[0]?.has(name) === true;

/** The report on one run. */
export function report(findings: Findings, names: readonly string[]): Report {
  return {
    rows: names.map((name) => ({ name, figures: figures(findings, name) })),
    bars: aims.flatMap((aim) => bars(findings, aim)),
    costs: costs(findings),
    doubts: doubts(findings),
  };
}

/** A contender that is slower than its load keeps its core this busy. */
const busyShare = 0.9;

/** Tollgate, deciding or not, and the bare proxy are slower than the load by far, unless something else wants the processor too. */
function doubts({ json, sse }: Findings): readonly string[] {
  const idle = [json ?? [], sse ?? []]
    .flatMap((rounds) => [bare, tollgate, deciding].map((name) => spread(column(rounds, name, "busy")).median))
    .filter((share) => share < busyShare);
  if (idle.length === 0) return [];
  const percent = Math.round(Math.min(...idle) * 100);
  return [
    `A contender had its core to only ${percent} %: something else ran on this machine, or the load was too slow. Do not quote these figures.`,
  ];
}

function figures({ json, sse, latency, memory }: Findings, name: string): Record<string, Spread> {
  const held = memory?.get(name);
  return {
    ...(has(json, name) && {
      "JSON/s": spread(column(json, name, "perSecond")),
      "JSON CPU µs": spread(column(json, name, "cpuMicros")),
      "JSON busy %": spread(column(json, name, "busy").map((share) => share * 100)),
    }),
    ...(has(sse, name) && {
      "SSE/s": spread(column(sse, name, "perSecond")),
      "SSE CPU µs": spread(column(sse, name, "cpuMicros")),
      "SSE busy %": spread(column(sse, name, "busy").map((share) => share * 100)),
    }),
    ...(has(latency, name) && { "p50 added µs": spread(added(latency, name)) }),
    ...(held && { "KB/stream": spread(held.map(({ perStream }) => perStream / 1024)) }),
  };
}

/** What a contender is to reach. */
interface Aim {
  readonly of: string;
  /** Follows the name of the bar. */
  readonly mark: string;
  /** At least so many times the bare proxy's throughput. */
  readonly json: number;
  readonly sse: number;
  /** At most so many times what the bare proxy adds. */
  readonly p50?: number;
  /** At most so many KB for each stream. */
  readonly memory?: number;
}

const aims: readonly Aim[] = [
  { of: tollgate, mark: "", json: 1.1, sse: 1.3, p50: 1.1, memory: 40 },
  { of: deciding, mark: ", deciding", json: 1, sse: 1.25 },
];

function bars({ json, sse, latency, memory }: Findings, aim: Aim): readonly Bar[] {
  const { of } = aim;
  const bar = (name: string, is: Bar["is"], limit: number, unit: string, values: readonly number[]): Bar => {
    const found = spread(values);
    const holds = is === "at least" ? found.median >= limit : found.median <= limit;
    return { name: name + aim.mark, is, limit, unit, found, holds };
  };
  const faster = (rounds: readonly Round[]) =>
    ratios(column(rounds, of, "perSecond"), column(rounds, bare, "perSecond"));
  const slower = (rounds: readonly Round[]) => ratios(added(rounds, of), added(rounds, bare));
  const held = memory?.get(of)?.map(({ perStream }) => perStream / 1024);
  return [
    ...(has(json, of) ? [bar("JSON throughput", "at least", aim.json, "× bare", faster(json))] : []),
    ...(has(sse, of) ? [bar("SSE throughput", "at least", aim.sse, "× bare", faster(sse))] : []),
    ...(aim.p50 && has(latency, of) ? [bar("p50 added", "at most", aim.p50, "× bare", slower(latency))] : []),
    ...(aim.memory && held ? [bar("memory per stream", "at most", aim.memory, "KB", held)] : []),
  ];
}

/** Each layer's processor time less that of the layer before it, round by round. */
function costs({ json, sse }: Findings): readonly Cost[] {
  if (!has(json, nameOf("forwarding")) || !has(sse, nameOf("forwarding"))) return [];
  const over = (rounds: readonly Round[], layer: Layer): Spread => {
    const before = layers[layers.indexOf(layer) - 1];
    const own = column(rounds, nameOf(layer), "cpuMicros");
    const less = before === undefined ? own.map(() => 0) : column(rounds, nameOf(before), "cpuMicros");
    return spread(own.map((micros, round) => micros - (less[round] ?? Number.NaN)));
  };
  return layers.map((layer) => ({ layer, json: over(json, layer), sse: over(sse, layer) }));
}
