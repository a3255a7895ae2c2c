// One measurement each: throughput with its processor time, latency of a lone client, memory of many open streams.
import { setTimeout } from "node:timers/promises";
import type { Child } from "./child.ts";
import type { LoadOrder, LoadReport } from "./load.ts";
import type { Kind } from "./payload.ts";
import { cpuMicros, residentBytes } from "./usage.ts";

export interface Throughput {
  readonly perSecond: number;
  /** Processor time of the contender for one answer, microseconds. */
  readonly cpuMicros: number;
  /** Share of its core that the contender used; far below 1 means that the load or the machine was the limit. */
  readonly busy: number;
  /** Latency in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Run {
  readonly load: Child;
  /** Who is asked; the backend itself for a direct run. */
  readonly target: Child;
  readonly kind: Kind;
  readonly connections: number;
  readonly warmMillis: number;
  readonly millis: number;
}

const reports =
  <Name extends LoadReport["report"]>(name: Name) =>
  (message: unknown): message is LoadReport & { report: Name } =>
    typeof message === "object" && message !== null && "report" in message && message.report === name;

const order = (load: Child, message: LoadOrder) => load.send(message);

/** Asks as fast as it is answered. Throws when any answer was not a 200. */
export async function throughput({ load, target, ...run }: Run): Promise<Throughput> {
  order(load, { order: "run", port: target.port, withKey: target.asksForKey, ...run });
  await load.next(reports("begun"));
  const cpuBefore = cpuMicros(target.pid);
  const ended = await load.next(reports("ended"));
  const cpu = cpuMicros(target.pid) - cpuBefore;
  if (ended.bad > 0) throw new Error(`${ended.bad} of ${ended.answers} answers were cut off or not 200`);
  if (ended.answers === 0) throw new Error("no answer came");
  return {
    perSecond: ended.answers / (ended.millis / 1000),
    cpuMicros: cpu / ended.answers,
    busy: cpu / 1000 / ended.millis,
    p50: ended.p50,
    p99: ended.p99,
  };
}

export interface Memory {
  /** Resident bytes for each open stream, over the process's own after a warm-up. */
  readonly perStream: number;
  readonly base: number;
  readonly streams: number;
}

/** Streams that warm the process up, and stay open. */
const before = 100;
/** Events that each stream gets while it is open, one by one, so that whoever keeps some of them has its fill. */
const ticks = 50;

export interface MemoryRun {
  readonly load: Child;
  readonly mock: Child;
  /** A fresh process. */
  readonly target: Child;
  readonly streams: number;
}

/** Opens streams that stay open, sends events down all of them, and looks at the resident memory then. */
export async function memory({ load, mock, target, streams }: MemoryRun): Promise<Memory> {
  const open = async (count: number) => {
    order(load, { order: "open", port: target.port, withKey: target.asksForKey, streams: count });
    return (await load.next(reports("opened"))).streams;
  };
  const live = async () => {
    for (let i = 0; i < ticks; i++) {
      mock.send("tick");
      await setTimeout(300);
    }
    await setTimeout(500);
  };
  await throughput({ load, target, kind: "sse", connections: 8, warmMillis: 0, millis: 500 });
  await open(before);
  await live();
  const base = residentBytes(target.pid);
  const opened = (await open(streams)) - before;
  if (opened < streams) throw new Error(`only ${opened} of ${streams} streams opened`);
  await live();
  const perStream = (residentBytes(target.pid) - base) / streams;
  order(load, { order: "leave" });
  await load.next(reports("left"));
  return { perStream, base, streams };
}
