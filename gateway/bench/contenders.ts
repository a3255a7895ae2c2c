// Who is measured: the bare proxy, nginx, Tollgate as a relay, one that decides, and Tollgate with parts left out.

import nodeFlags from "../node-flags.json" with { type: "json" };
import { type Child, type ChildOptions, child } from "./child.ts";
import { nginx, nginxVersion } from "./nginx.ts";
import { requestsPerMinute } from "./settings.ts";

export interface Contender {
  readonly name: string;
  /** The limit that its answers tell of; those of others tell of the backend's. */
  readonly requestsPerMinute?: number;
  /** Starts a fresh process of it. */
  start(): Promise<Child>;
}

export interface Surroundings {
  readonly mockPort: number;
  /** The contenders' core; any when `undefined`. */
  readonly cores: string | undefined;
  /** A folder that is removed at the end. */
  readonly folder: string;
}

/** What a Tollgate of the benchmark does, each including the one before. */
export const layers = ["forwarding", "metering", "metrics", "spans", "logs", "deciding"] as const;
export type Layer = (typeof layers)[number];

/** All that it does for whoever asks, under its plain name. */
export const tollgate = "Tollgate";
/** With keys, limits, a budget and fallback besides. */
export const deciding = "Tollgate, deciding";
export const bare = "bare node:http proxy";

const whole: Partial<Record<Layer, string>> = { logs: tollgate, deciding };

export const nameOf = (layer: Layer): string => whole[layer] ?? `Tollgate up to ${layer}`;

export interface Field {
  /** Those that are compared. */
  readonly main: readonly Contender[];
  /** Tollgate with parts left out, for the costs apart. */
  readonly partial: readonly Contender[];
}

/** The contenders that can run on this machine. */
export function contenders({ mockPort, cores, folder }: Surroundings): Field {
  const backend = `http://127.0.0.1:${mockPort}`;
  const script = (name: string, options: ChildOptions): Contender => ({
    name,
    start: () => child({ nodeFlags, ...pinned, ...options }),
  });
  const pinned = cores === undefined ? {} : { cores };
  const layered = (layer: Layer): Contender =>
    script(nameOf(layer), {
      script: "tollgate.ts",
      args: [backend, layer, folder],
      // Lines are made and written; a disk that takes them is none of what is compared.
      output: "/dev/null",
    });
  const nginxs: Contender = {
    name: "nginx",
    start: async () => child({ ...pinned, ...(await nginx(mockPort, folder)) }),
  };
  return {
    main: [
      script(bare, { script: "bare.ts", args: [backend] }),
      layered("logs"),
      { ...layered("deciding"), requestsPerMinute },
      ...(nginxVersion() === undefined ? [] : [nginxs]),
    ],
    partial: layers.filter((layer) => whole[layer] === undefined).map(layered),
  };
}
