// What the gateway needs of instrumentation, and nothing more; how it is put together is the composition's affair.
import type { Pipeline, ServedRequest } from "../instrumentation/index.ts";
import type { Config } from "./config/config.ts";
import type { BackendChange } from "./routing/backend-change.ts";
import type { BreakerState } from "./routing/breaker.ts";
import type { QueueMeter } from "./routing/queue.ts";

export interface Telemetry {
  readonly pipeline: Pipeline;
  readonly exportsSpans: boolean;
  /** The Prometheus text of now. */
  scrape(): Promise<string>;
  httpServed(served: ServedRequest): void;
  streamOpened(): void;
  streamClosed(): void;
  /** Part of the gateway's own watching failed; the traffic went on. */
  troubled(part: string, error: unknown): void;
  /** Says so in the log. */
  backendChanged(backend: string, change: BackendChange): void;
  /** Bytes came that were no HTTP request; `code` is the parser's. */
  malformed(code: string): void;
  certificateSeen(backend: string, expiry: number): void;
  reloaded(result: "success" | "failure"): void;
  /** Takes on what a new configuration says of prices, labels and backends. */
  configure(config: Config): void;
  /** What a backend's queue tells; everything that is known of it exists at 0 from then on. */
  queueMeter(backend: string): QueueMeter;
  /** Read at each scrape. */
  watchBackends(read: () => readonly BackendState[]): void;
  shutdown(): Promise<void>;
}

export interface BackendState {
  readonly name: string;
  readonly up: boolean;
  readonly inflight: number;
  readonly limit: number;
  readonly breaker: BreakerState;
  /** Requests that wait, and requests that have their slot. */
  readonly queue: { readonly depth: number; readonly active: number };
}
