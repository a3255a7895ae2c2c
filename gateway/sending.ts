// What the stages of forwarding share: what they are given once, and what they hand on for each request.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Pipeline, TraceSource } from "../instrumentation/index.ts";
import type { Admission } from "./admission/admission.ts";
import type { Allowance, Reservation } from "./admission/allowance/allowance.ts";
import type { Quotes } from "./admission/allowance/quotes.ts";
import type { Identity } from "./admission/identity.ts";
import type { Unfinished } from "./background/unfinished.ts";
import type { ResponseCache } from "./cache/cache.ts";
import type { ClientAddress } from "./caller.ts";
import type { Doors } from "./doors.ts";
import { type FailureKind, GatewayError } from "./errors.ts";
import type { Fleet } from "./fleet.ts";
import type { Intake } from "./intake.ts";
import type { Passage } from "./passage.ts";
import type { Surroundings } from "./surroundings.ts";

export interface Forward {
  /** Forwards one request. Never rejects; the answer, the record and the clean-up are all its own. */
  take(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Requests that have no record yet. */
  readonly open: number;
  /** Resolves when none is open. */
  quiet(): Promise<void>;
  /** Ends whatever is open, as `shutting_down`. */
  cut(): void;
}

/** The present configuration in the form that a request needs; a request keeps the one that it began with. */
export interface Setting {
  readonly fleet: Fleet;
  readonly doors: Doors;
  readonly admission: Admission;
  readonly quotes: Quotes;
  readonly clientAddress: ClientAddress;
}

export interface ForwardOptions {
  readonly setting: () => Setting;
  /** What callers may use; anything when absent. */
  readonly allowance: Allowance | undefined;
  readonly cache: ResponseCache;
  readonly unfinished: Unfinished;
  readonly pipeline: Pipeline;
  readonly surroundings: Surroundings;
  readonly traces: TraceSource;
  /** Spans are exported, so that backends are told of ours. */
  readonly exportsSpans: boolean;
  readonly draining: () => boolean;
  readonly observers: ForwardObservers;
}

/** Told of what has no record yet; must not throw. */
interface ForwardObservers {
  streamOpened(): void;
  streamClosed(): void;
  /** A reader of answers threw: the bytes went on, the record lacks what it would have said. */
  watchFailed(error: unknown): void;
  /** Something of ours threw: the request was answered with `internal_error`. */
  failed(error: unknown): void;
}

export interface Sending {
  readonly options: ForwardOptions;
  readonly setting: Setting;
  /** Who sends it; nobody in particular before that was looked at. */
  identity: Identity;
  /** The setting's; of one backend alone, where that holds what the request names. */
  fleet: Fleet;
  readonly passage: Passage;
  /** What came in of the body; nothing before it was taken in. */
  taken: Intake;
  /** "" for a target that is no plain path. */
  readonly path: string;
  readonly query: string;
  /** Flat. */
  readonly corsHeaders: readonly string[];
  /** What its caller's limits hold for it, once they do. */
  reserved: Reservation | undefined;
}

/** A failure of the backend: the client gets the table's sentence, the record the backend's own words. */
export class Failed extends GatewayError {
  readonly detail: string;
  constructor(kind: FailureKind, detail: string) {
    super(kind);
    this.detail = detail;
  }
}

/** The refusal for a model that no backend serves; it says what is served. */
export function noRoute(model: string | undefined, fleet: Fleet): GatewayError {
  if (model === undefined) return new GatewayError("no_route", "No backend is configured.");
  const served = fleet.upstreams
    .flatMap(({ backend }) => backend.models)
    .slice(0, 20)
    .join(", ");
  return new GatewayError(
    "no_route",
    `No backend serves the model '${model.slice(0, 100)}'. This gateway serves: ${served}. See GET /v1/models, or add the model to a backend in the gateway's config.`,
    "model",
  );
}
