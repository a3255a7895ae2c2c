// The open, mutable side of an Exchange: it keeps the time, closes exactly once, and is then frozen.
import type { CacheSaved } from "./cache-saved.ts";
import type {
  Attempt,
  AttemptResult,
  Caller,
  Exchange,
  Media,
  Operation,
  Phases,
  Purpose,
  ServiceType,
  Tokens,
  Trace,
} from "./exchange.ts";
import type { FailureReason, Outcome, RefusalReason } from "./outcome.ts";

export type Phase = keyof Phases;

/** An attempt while it runs. All times are milliseconds of the monotonic clock. */
export interface OpenAttempt {
  readonly backend: string;
  readonly provider: string;
  model: string | undefined;
  readonly spanId: string;
  readonly startedAt: number;
  connectedAt?: number;
  firstByteAt?: number;
  endedAt?: number;
  status?: number;
  result?: AttemptResult;
  reason?: RefusalReason | FailureReason;
  upstreamRequestId?: string;
  address?: string;
  port?: number;
  /** Of an answer that is discarded. */
  tokens?: Tokens;
  served?: string;
}

export interface Opening {
  readonly id: string;
  /** Unix milliseconds. */
  readonly openedAt: number;
  /** Monotonic milliseconds at the same instant. */
  readonly startedAt: number;
  readonly operation: Operation;
  readonly serviceType: ServiceType;
  readonly endpoint: string;
  readonly method: string;
  readonly trace: Trace;
  readonly caller: Caller;
  readonly purpose: Purpose;
}

/** What the answer's reader learned; filled in after the last byte, off the hot path. */
export interface Findings {
  readonly served?: string;
  readonly tokens?: Tokens;
  readonly usageSource?: "provider" | "estimated" | "missing";
  readonly media?: Media;
  readonly cacheSaved?: CacheSaved;
  readonly responseId?: string;
}

/**
 * A draft is opened when a request arrives and closed by whoever ends it first; later closes are ignored.
 * Phases are kept by a stopwatch: `enter` ends one phase and begins the next, so they always add up to the total.
 */
export class ExchangeDraft {
  readonly opening: Opening;
  caller: Caller;
  purpose: Purpose;
  requestedModel: string | undefined = undefined;
  streamed = false;
  messageCount: number | undefined = undefined;
  upstreamMode: Exchange["upstreamMode"] = "other";
  mcpServers: readonly string[] = [];
  systemPromptApplied = false;
  cache: Exchange["cache"] = "bypass";
  requestBytes = 0;
  /** A body that goes on as it comes has come whole. */
  isReceived = false;
  responseBytes = 0;
  firstTokenAt: number | undefined = undefined;
  readonly attempts: OpenAttempt[] = [];
  #phase: Phase = "receive";
  #markedAt: number;
  #closedAt = 0;
  #outcome: Outcome | undefined = undefined;
  readonly #spent = { receive: 0, queue: 0, backoff: 0, connect: 0, firstByte: 0, stream: 0, overhead: 0 };

  constructor(opening: Opening) {
    this.opening = opening;
    this.caller = opening.caller;
    this.purpose = opening.purpose;
    this.#markedAt = opening.startedAt;
  }

  /** Ends the phase that runs and begins another; nothing after `close`. `now` is monotonic milliseconds. */
  enter(phase: Phase, now: number): void {
    if (this.#outcome !== undefined) return;
    this.#spent[this.#phase] += now - this.#markedAt;
    this.#markedAt = now;
    this.#phase = phase;
  }

  get closed(): boolean {
    return this.#outcome !== undefined;
  }

  /** Milliseconds spent so far in a phase that has ended. */
  spent(phase: Phase): number {
    return this.#spent[phase];
  }

  /** Fixes outcome and duration. True for the first call, false for every later one, which changes nothing. */
  close(outcome: Outcome, now: number): boolean {
    if (this.#outcome !== undefined) return false;
    this.enter(this.#phase, now);
    this.#outcome = outcome;
    this.#closedAt = now;
    return true;
  }

  /** How it was closed. Throws a TypeError before that. */
  get outcome(): Outcome {
    if (this.#outcome === undefined) throw new TypeError("an exchange has an outcome only after it was closed");
    return this.#outcome;
  }

  /**
   * The frozen record. Call once, after `close`; throws a TypeError before it. `outcome` is the one it was closed with,
   * unless the answer's content, read after its last byte, tells otherwise.
   */
  seal(findings: Findings, outcome: Outcome = this.outcome): Exchange {
    const { opening } = this;
    const start = opening.startedAt;
    const { served, tokens, usageSource, media, cacheSaved, responseId } = findings;
    const model: Writable<Exchange["model"]> = {};
    if (this.requestedModel !== undefined) model.requested = this.requestedModel;
    if (served !== undefined) model.served = served;
    const attempts: Attempt[] = [];
    for (const attempt of this.attempts) attempts.push(sealAttempt(attempt, start, this.#closedAt));
    const exchange: Writable<Exchange> = {
      kind: "exchange",
      id: opening.id,
      openedAt: opening.openedAt,
      operation: opening.operation,
      serviceType: opening.serviceType,
      endpoint: opening.endpoint,
      method: opening.method,
      caller: this.caller,
      purpose: this.purpose,
      model: Object.freeze(model),
      streamed: this.streamed,
      upstreamMode: this.upstreamMode,
      mcpServers: this.mcpServers,
      systemPromptApplied: this.systemPromptApplied,
      attempts: Object.freeze(attempts),
      cache: this.cache,
      phases: seconds(this.#spent),
      totalSeconds: (this.#closedAt - start) / 1000,
      bytes: Object.freeze({ request: this.requestBytes, response: this.responseBytes }),
      outcome: Object.freeze(outcome),
      trace: opening.trace,
    };
    if (usageSource !== undefined) exchange.usageSource = usageSource;
    if (tokens !== undefined) exchange.tokens = Object.freeze(tokens);
    if (this.messageCount !== undefined) exchange.messageCount = this.messageCount;
    // What a broken answer still held goes out after its close: its token came by then, though nobody had looked.
    if (this.firstTokenAt !== undefined)
      exchange.firstTokenSeconds = (Math.min(this.firstTokenAt, this.#closedAt) - start) / 1000;
    if (media !== undefined) exchange.media = Object.freeze(media);
    if (cacheSaved !== undefined) exchange.cacheSaved = Object.freeze(cacheSaved);
    if (responseId !== undefined) exchange.responseId = responseId;
    return Object.freeze(exchange);
  }
}

/**
 * A record under construction. What is known of every exchange stands in one literal, what may be unknown is set after
 * it, always in the same order: records of a kind then share one hidden class, and each stage after this one is fast.
 * Conditional spreads would give each its own.
 */
type Writable<T> = { -readonly [member in keyof T]: T[member] };

function seconds(spent: Record<Phase, number>): Phases {
  return Object.freeze({
    receive: spent.receive / 1000,
    queue: spent.queue / 1000,
    backoff: spent.backoff / 1000,
    connect: spent.connect / 1000,
    firstByte: spent.firstByte / 1000,
    stream: spent.stream / 1000,
    overhead: spent.overhead / 1000,
  });
}

function sealAttempt(open: OpenAttempt, start: number, closedAt: number): Attempt {
  const { startedAt, connectedAt, firstByteAt, endedAt = closedAt } = open;
  const attempt: Writable<Attempt> = {
    backend: open.backend,
    provider: open.provider,
    spanId: open.spanId,
    startedAfter: (startedAt - start) / 1000,
    seconds: (endedAt - startedAt) / 1000,
    result: open.result ?? "abandoned",
  };
  if (open.model !== undefined) attempt.model = open.model;
  if (connectedAt !== undefined) attempt.connectSeconds = (connectedAt - startedAt) / 1000;
  if (firstByteAt !== undefined) attempt.firstByteSeconds = (firstByteAt - (connectedAt ?? startedAt)) / 1000;
  if (open.status !== undefined) attempt.status = open.status;
  if (open.reason !== undefined) attempt.reason = open.reason;
  if (open.address !== undefined) attempt.address = open.address;
  if (open.port !== undefined) attempt.port = open.port;
  if (open.upstreamRequestId !== undefined) attempt.upstreamRequestId = open.upstreamRequestId;
  if (open.tokens !== undefined) attempt.tokens = Object.freeze(open.tokens);
  if (open.served !== undefined) attempt.served = open.served;
  return Object.freeze(attempt);
}
