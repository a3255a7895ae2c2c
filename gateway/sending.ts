// What the stages of forwarding share: what they are given once, and what they hand on for each request.
import type { Pipeline, TraceSource } from "../instrumentation/index.ts";
import type { ClientAddress } from "./caller.ts";
import type { Doors } from "./doors.ts";
import { type FailureKind, GatewayError } from "./errors.ts";
import type { Fleet } from "./fleet.ts";
import type { Intake } from "./intake.ts";
import type { Passage } from "./passage.ts";
import type { Surroundings } from "./surroundings.ts";

/** The present configuration in the form that a request needs; a request keeps the one that it began with. */
export interface Setting {
  readonly fleet: Fleet;
  readonly doors: Doors;
  readonly clientAddress: ClientAddress;
}

export interface ForwardOptions {
  readonly setting: () => Setting;
  readonly pipeline: Pipeline;
  readonly surroundings: Surroundings;
  readonly traces: TraceSource;
  /** Spans are exported, so that backends are told of ours. */
  readonly exportsSpans: boolean;
  readonly draining: () => boolean;
  readonly observers: ForwardObservers;
}

/** Told of what has no record yet; must not throw. */
export interface ForwardObservers {
  opened(): void;
  /** The record of a request was handed to the pipeline. */
  recorded(): void;
  streamOpened(): void;
  streamClosed(): void;
  /** A reader of answers threw: the bytes went on, the record lacks what it would have said. */
  watchFailed(error: unknown): void;
}

export interface Sending {
  readonly options: ForwardOptions;
  readonly fleet: Fleet;
  readonly passage: Passage;
  readonly taken: Intake;
  readonly path: string;
  readonly query: string;
  /** Flat. */
  readonly corsHeaders: readonly string[];
}

/** A failure of the backend: the client gets the table's sentence, the record the backend's own words. */
export class Failed extends GatewayError {
  readonly detail: string;
  constructor(kind: FailureKind, detail: string) {
    super(kind);
    this.detail = detail;
  }
}
