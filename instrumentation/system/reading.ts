// What a look at the machine says: plain data, as it crosses from the sampler's thread.

/** Ratios are 0 to 1, amounts bytes, times seconds. What could not be read is absent. */
export interface Reading {
  readonly cpuRatio?: number;
  readonly memory?: { readonly used: number; readonly cached: number; readonly free: number; readonly ratio: number };
  readonly disks?: readonly {
    readonly device: string;
    readonly used: number;
    readonly free: number;
    readonly ratio: number;
  }[];
  /** Totals since the machine started. */
  readonly network?: { readonly received: number; readonly sent: number };
  readonly uptime?: number;
  /** Why something is absent, one sentence each. */
  readonly errors: readonly string[];
}
