// One try at one backend, steered: its answer goes to the client, into the record, or back to whoever decides.
import type { OpenAttempt } from "../instrumentation/index.ts";
import { Answer } from "./answer.ts";
import type { AnswerEvents } from "./answer-events.ts";
import { AnswerHead } from "./answer-head.ts";
import { type AnswerSink, Attempt, type Ending, type Flow } from "./attempt.ts";
import { type FailureKind, failures, GatewayError, outcomeOf } from "./errors.ts";
import type { Upstream } from "./fleet.ts";
import { letGo } from "./letting-go.ts";
import { openAttempt, outgoing } from "./outgoing.ts";
import type { Running } from "./passage.ts";
import type { ReceivedHead } from "./received-head.ts";
import type { Receiver } from "./receivers/receiver.ts";
import { mayRepeat } from "./routing/repeat.ts";
import type { Sending } from "./sending.ts";
import { decoder, isReadable, SpentTap, type Tap, tap } from "./tap.ts";
import type { Try } from "./try.ts";
import { usageFilter } from "./usage-filter.ts";
import { failureOfStatus, outcomeOfStatus, reviewed } from "./verdict.ts";
import { leavesBehind, mayFail } from "./withholding.ts";

/** A backend that has said all has so long to end its answer, for a client that did not wait for that. */
const endSeconds = 1;

/** Begins to try one target once. Throws a GatewayError where there is no connection to be had. */
export function tryOnce(sending: Sending, one: Try): Relay {
  const { options, passage, path, query } = sending;
  const { target, rewritten, fresh } = one;
  const { upstream } = target;
  const { draft } = passage;
  const { transport } = upstream;
  const open = openAttempt(sending, target);
  const { body, headers } = outgoing(sending, upstream, open, { rewritten, read: isRead(passage.receiver) });
  const connection = transport.acquire({ fresh });
  if (connection === undefined) throw new GatewayError("no_backend_up", "All connections to the backend are in use.");
  draft.attempts.push(open);
  draft.enter(connection.connected ? "overhead" : "connect", open.startedAt);
  const relay = new Relay(sending, one, open);
  relay.steers(
    new Attempt({
      transport,
      connection,
      timeouts: target.timeouts,
      method: passage.req.method ?? "GET",
      path: transport.basePath + path.slice(3) + query,
      headers,
      body,
      draft,
      open,
      sink: relay,
      now: options.surroundings.clock.now,
    }),
  );
  return relay;
}

const isRead = ({ metered, tellsOfEarlier }: Receiver): boolean => metered || tellsOfEarlier === true;

/**
 * Stands between an attempt and the answer to the client. A class, as its methods are called for every answer: function
 * literals that are put into properties are born old in V8, and would keep whole requests until a full collection.
 */
export class Relay implements AnswerSink, AnswerEvents, Running {
  readonly #sending: Sending;
  readonly #upstream: Upstream;
  readonly #try: Try;
  readonly #open: OpenAttempt;
  #attempt: Attempt | undefined;
  #status = 0;
  #broke = false;
  #rejected: { readonly failure: FailureKind; readonly detail: string } | undefined;
  #streaming = false;
  #isSaid = false;
  answer: Answer | undefined;

  constructor(sending: Sending, one: Try, open: OpenAttempt) {
    this.#sending = sending;
    this.#upstream = one.target.upstream;
    this.#try = one;
    this.#open = open;
    leavesBehind(sending.passage.tap, sending.passage.draft);
    sending.passage.tap = undefined;
  }

  /** From here on the client's leaving, and the gateway's end, are told to this attempt. */
  steers(attempt: Attempt): void {
    const { passage } = this.#sending;
    this.#attempt = attempt;
    passage.running = this;
    if (passage.left) this.leave();
  }

  /** How the attempt ended, before it is understood; never rejects. */
  get ended(): Promise<Ending> {
    if (this.#attempt === undefined) throw new TypeError("a relay that steers nothing does not end");
    return this.#attempt.ended;
  }

  /** To be told once how the attempt ended; gives how that is to be understood. */
  over(ending: Ending): Ending {
    if (this.#streaming) this.#sending.options.observers.streamClosed();
    if (ending.kind === "failed") this.#note(ending.failure);
    else if (ending.kind === "cancelled" && !this.#broke && !this.#isSaid) this.#open.result = "abandoned";
    // Its end, and the wait for it, were nobody's.
    if (this.#isSaid && this.#sending.passage.left) delete this.#open.endedAt;
    if (ending.kind !== "answered" || this.#rejected === undefined) return ending;
    return { kind: "failed", stale: false, ...this.#rejected };
  }

  head(received: ReceivedHead, flow: Flow, tooLarge: boolean): boolean {
    const { options, passage, corsHeaders } = this.#sending;
    const { status, contentType, contentEncoding } = received;
    const { withUsage, spare } = this.#try;
    this.#status = status;
    const failure = failureOfStatus(status, this.#upstream.ownKey);
    if (failure === undefined) {
      this.#open.result = "completed";
      this.#sending.fleet.gate.answers(this.#try.target);
    } else this.#note(failure);
    if (failure === "backend_auth" || (!tooLarge && withUsage && (status === 400 || status === 422))) return true;
    if (failure !== undefined && mayRepeat(spare, failure, true)) return true;
    this.#try.rewritten = undefined;
    const streamed = contentType === "text/event-stream";
    if (streamed) {
      this.#streaming = true;
      options.observers.streamOpened();
    }
    passage.tap = isRead(passage.receiver) ? this.#watch(received, streamed) : undefined;
    const filter = withUsage && streamed && status < 300 && isReadable(contentEncoding) ? usageFilter() : undefined;
    const { res, draft, limitHeaders, witness } = passage;
    const own = [limitHeaders, corsHeaders];
    if (witness) own.push(witness.begins(received, filter !== undefined));
    this.answer = new Answer({
      res,
      draft,
      now: options.surroundings.clock.now,
      head: new AnswerHead({
        res,
        received,
        draft,
        own,
        rewritten: filter !== undefined,
        tellsLimits: limitHeaders.length > 0,
      }),
      flow,
      events: this,
      tap: passage.tap,
      filter,
      decode: filter && decoder(contentEncoding ?? ""),
      witness,
      stallSeconds: this.#sending.fleet.config.limits.stallSeconds,
      withheld: spare === "always" && passage.receiver.metered && passage.tap !== undefined && mayFail(received),
    });
    // The client left while the backend was thinking, and the answer is read all the same.
    if (passage.left) this.#hush();
    return false;
  }

  data(chunk: Buffer): void {
    this.answer?.data(chunk);
  }

  end(trailers: readonly string[]): void {
    this.answer?.end(trailers);
  }

  /** An answer that holds an error, or a stream that ended before it said anything, is none. */
  rejects(): boolean {
    const { passage } = this.#sending;
    const facts = passage.tap?.finish();
    const open = { kind: "completed", status: this.#status, finish: "" } as const;
    const outcome = reviewed(open, facts, this.#streaming);
    passage.tap = facts && new SpentTap(facts);
    if (outcome.kind !== "failed") return false;
    const failure = facts?.error ? "error_event" : "broken_answer";
    this.#rejected = { failure, detail: outcome.message ?? failures[failure].message };
    this.#note(failure);
    return true;
  }

  said(): void {
    if (!this.#streaming) return;
    this.#isSaid = true;
    this.#sending.reserved?.vacate();
    this.#sending.passage.mayLeaveWith(outcomeOfStatus(this.#status, this.#upstream.ownKey));
  }

  whole(): void {
    this.#sending.passage.closesWith(outcomeOfStatus(this.#status, this.#upstream.ownKey));
  }

  broke(failure: "broken_answer" | "internal", error: unknown): void {
    const { passage, options } = this.#sending;
    if (passage.draft.closed) return;
    if (failure === "internal") options.observers.failed(error);
    this.#broke = true;
    this.#note(failure);
    this.#attempt?.cancel();
    passage.close(outcomeOf(failure, error instanceof Error ? error.message : String(error), this.#status));
  }

  tooMuch(): void {
    this.#attempt?.cancel();
  }

  /** The client is gone: the backend is cancelled, or read on for a while so that the bill is exact. */
  leave(): void {
    this.#hush();
    const { drainSeconds } = this.#sending.fleet.config.limits;
    const seconds = this.#isSaid ? endSeconds : this.#upstream.backend.onClientAbort === "cancel" ? 0 : drainSeconds;
    if (this.#attempt) letGo(this.#attempt, seconds);
  }

  stop(): void {
    this.#attempt?.cancel();
  }

  #hush(): void {
    this.answer?.deafen(this.#sending.fleet.config.limits.drainBytes);
  }

  #note(failure: FailureKind): void {
    this.#open.result = failures[failure].outcome;
    this.#open.reason = failures[failure].reason;
  }

  #watch({ status, contentType, contentEncoding }: ReceivedHead, streamed: boolean): Tap | undefined {
    const { passage, taken, options } = this.#sending;
    const failed = options.observers.watchFailed;
    try {
      const reader = passage.receiver.readAnswer({ status, contentType, streamed }, taken.facts());
      return tap({ reader, encoding: contentEncoding, failed });
    } catch (error) {
      failed(error);
      return undefined;
    }
  }
}
