// One run of the benchmark: starts mock and load, lets the contenders meet, and gives what was found.
import { availableParallelism } from "node:os";
import { type Child, child } from "./child.ts";
import { type Contender, contenders, deciding } from "./contenders.ts";
import type { Flags } from "./flags.ts";
import { type Memory, memory } from "./measure.ts";
import { direct, type Findings } from "./report.ts";
import { enter, type Round, type RoundsOptions, rounds } from "./rounds.ts";

export interface ContestOptions {
  readonly flags: Flags;
  /** A folder for logs and the like, that is removed at the end. */
  readonly folder: string;
  readonly note: (line: string) => void;
}

export interface Contest {
  readonly findings: Findings;
  readonly names: readonly string[];
}

/** Connections of the throughput measurements. */
const connections = 32;
/** Whoever was stopped catches up first: timers that are overdue, a collection, its young space. */
const warmMillis = 1_500;

/** Runs the parts that were asked for. Whatever was started has ended when this settles. */
export async function contest({ flags, folder, note }: ContestOptions): Promise<Contest> {
  const count = availableParallelism();
  const beside = count > 1 ? { cores: `1-${count - 1}` } : {};
  const mock = await child({ script: "mock.ts", ...beside });
  const load = await child({ script: "load.ts", ...beside });
  const running: Child[] = [mock, load];
  try {
    const { only } = flags;
    const field = contenders({ mockPort: mock.port, cores: count > 1 ? "0" : undefined, folder });
    const all = only.has("costs") ? [...field.main, ...field.partial] : field.main;
    const findings: Findings = {
      ...(await spedUp()),
      ...(only.has("memory") && { memory: await memories(field.main.filter(({ name }) => name !== deciding)) }),
    };
    return { findings, names: all.map(({ name }) => name) };

    async function spedUp(): Promise<Findings> {
      if (!["json", "sse", "latency", "costs"].some((part) => [...only].some((asked) => asked === part))) return {};
      const entrants = await enter(all, mock, running);
      const main = entrants.filter(({ name }) => field.main.some((one) => one.name === name));
      const run = (what: string, options: Pick<RoundsOptions, "entrants" | "kind" | "connections">) =>
        rounds({
          load,
          warmMillis,
          millis: flags.millis,
          warmUpMillis: flags.warmUpMillis,
          rounds: flags.rounds,
          progress: (round) => note(`${what}: ${round === 0 ? "warming up" : `round ${round} of ${flags.rounds}`}`),
          ...options,
        });
      const throughput = async (kind: "json" | "sse"): Promise<readonly Round[] | undefined> => {
        if (only.has("costs")) return run(kind, { entrants, kind, connections });
        return only.has(kind) ? run(kind, { entrants: main, kind, connections }) : undefined;
      };
      const json = await throughput("json");
      const sse = await throughput("sse");
      const latency = only.has("latency")
        ? await run("latency", {
            entrants: [{ name: direct, child: mock, always: true }, ...main],
            kind: "json",
            connections: 1,
          })
        : undefined;
      for (const { child } of entrants) await child.stop();
      return { ...(json && { json }), ...(sse && { sse }), ...(latency && { latency }) };
    }

    async function memories(main: readonly Contender[]): Promise<ReadonlyMap<string, readonly Memory[]>> {
      const found = new Map<string, Memory[]>(main.map(({ name }) => [name, []]));
      const wanted = Math.min(flags.rounds, memoryRounds);
      for (let round = 1; round <= wanted; round++) {
        for (const { name, start } of main) {
          note(`memory: round ${round} of ${wanted}, ${name}`);
          const target = await start();
          running.push(target);
          found.get(name)?.push(await memory({ load, mock, target, streams: flags.streams }));
          await target.stop();
        }
      }
      return found;
    }
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}

/** Each in a fresh process, which takes long, and varies little; so nobody is measured of whom nothing is wanted. */
const memoryRounds = 3;
