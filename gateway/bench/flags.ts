// What the command line of the benchmark can say.
import { parseArgs } from "node:util";

export const parts = ["json", "sse", "latency", "memory", "costs"] as const;
export type Part = (typeof parts)[number];

export interface Flags {
  readonly only: ReadonlySet<Part>;
  readonly rounds: number;
  /** Of one throughput measurement. */
  readonly millis: number;
  /** Of the round before the first that counts. */
  readonly warmUpMillis: number;
  readonly streams: number;
  readonly json: boolean;
  readonly assert: boolean;
  readonly help: boolean;
}

export const usage = `Usage: npm run bench -- [options]

  --quick            three short rounds and 2,000 streams: a first look, not a figure to quote
  --only <parts>     some of ${parts.join(",")}
  --rounds <n>       rounds per measurement (default 7)
  --seconds <n>      length of one throughput measurement (default 2)
  --warm-up <n>      seconds before the first round, of each contender: until then V8 compiles (default 15)
  --streams <n>      open streams for the memory measurement (default 5000)
  --json             print the report as JSON
  --assert           exit 1 when a bar is missed
  --help             this text
`;

/** Throws a TypeError in one sentence for what it does not understand. */
export function flags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      "warm-up": { type: "string" },
      streams: { type: "string" },
      json: { type: "boolean", default: false },
      assert: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const number = (name: "rounds" | "seconds" | "warm-up" | "streams", usual: number): number => {
    const given = values[name];
    if (given === undefined) return usual;
    const value = Number(given);
    if (!(value > 0)) throw new TypeError(`--${name} takes a number above 0, not "${given}".`);
    return value;
  };
  const named = values.only?.split(",") ?? parts;
  const only = new Set<Part>();
  for (const name of named) {
    const part = parts.find((known) => known === name.trim());
    if (part === undefined) throw new TypeError(`--only knows ${parts.join(", ")}, not "${name}".`);
    only.add(part);
  }
  return {
    only,
    rounds: Math.ceil(number("rounds", values.quick ? 3 : 7)),
    millis: number("seconds", values.quick ? 1 : 2) * 1000,
    warmUpMillis: number("warm-up", values.quick ? 3 : 15) * 1000,
    streams: Math.ceil(number("streams", values.quick ? 2000 : 5000)),
    json: values.json,
    assert: values.assert,
    help: values.help,
  };
}
