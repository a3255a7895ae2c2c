// How an exporter with a buffer of its own tells what it lost, so that it can be counted.

export type LossReason = "buffer_full" | "export_failed" | "shutdown";

/** Called at once and often under trouble: count, and return. */
export interface LossReport {
  /** `count` spans, lines or events were given up. */
  lost(count: number, reason: LossReason): void;
  /** The destination refused or could not be reached. */
  failed(error: unknown): void;
}
