// Who is measured: the bare proxy, nginx, Tollgate whole, and Tollgate with parts left out.

import nodeFlags from "../node-flags.json" with { type: "json" };
import { type Child, type ChildOptions, child } from "./child.ts";
import { nginx, nginxVersion } from "./nginx.ts";

export interface Contender {
  readonly name: string;
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
export const layers = ["forwarding", "metering", "metrics", "spans", "logs"] as const;
export type Layer = (typeof layers)[number];

/** The whole of it, under its plain name. */
export const tollgate = "Tollgate";
export const bare = "bare node:http proxy";

export const partial = (layer: Layer): string => (layer === "logs" ? tollgate : `Tollgate up to ${layer}`);

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
    script(partial(layer), {
      script: "tollgate.ts",
      args: [backend, layer],
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
      ...(nginxVersion() === undefined ? [] : [nginxs]),
    ],
    partial: layers.filter((layer) => layer !== "logs").map(layered),
  };
}
