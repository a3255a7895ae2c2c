// One request's way over its route: target after target, round after round, until an answer goes out or none can be had.
import type { Ending, HeldAnswer } from "../attempt.ts";
import { type FailureKind, GatewayError, outcomeOf } from "../errors.ts";
import { ownHeaders } from "../outgoing.ts";
import type { RequestFacts } from "../receivers/receiver.ts";
import { type Relay, type Try, tryOnce } from "../relay.ts";
import { reply } from "../reply.ts";
import { rewritten } from "../rewrite/body.ts";
import { Failed, type Sending } from "../sending.ts";
import { failureOfStatus } from "../verdict.ts";
import { askedWait, wait } from "./backoff.ts";
import { errorText, rejectsStreamOptions } from "./held.ts";
import { Itinerary } from "./itinerary.ts";
import { mayRepeat, type Repeatable, repeatable } from "./repeat.ts";
import type { Route, Target } from "./route.ts";

/** Why a target gave no answer. */
interface Setback {
  readonly failure: FailureKind;
  readonly error: GatewayError;
  /** What it answered all the same, where that may go to the client. */
  readonly held?: HeldAnswer;
  /** It may have acted on the request. */
  readonly sent: boolean;
}

/** Resolves when an answer has gone out, or the client is gone. Rejects with a GatewayError for an answer of our own. */
export const journey = (sending: Sending, route: Route, facts: RequestFacts): Promise<void> =>
  new Journey(sending, route, facts).run();

class Journey {
  readonly #sending: Sending;
  readonly #route: Route;
  readonly #facts: RequestFacts;
  readonly #how: Repeatable;
  readonly #itinerary: Itinerary;
  #round = 0;
  /** The soonest that a target of this round wants the request again, milliseconds. */
  #asked = Number.POSITIVE_INFINITY;
  /** The same target at once again, where only a small thing stood in the way. */
  #again: Try | undefined;
  #last: Setback | undefined;

  constructor(sending: Sending, route: Route, facts: RequestFacts) {
    const { passage, taken, fleet } = sending;
    this.#sending = sending;
    this.#route = route;
    this.#facts = facts;
    const isKept = taken.body === null || Buffer.isBuffer(taken.body);
    this.#how = repeatable(passage.receiver, passage.req.method ?? "GET", isKept);
    this.#itinerary = new Itinerary(route, fleet.standing, fleet.gate);
  }

  async run(): Promise<void> {
    for (;;) {
      const one = this.#next();
      if (one === undefined) {
        if (await this.#rested()) continue;
        this.#giveUp();
        return;
      }
      const relay = this.#begin(one);
      if (relay !== undefined && this.#isDone(one, relay, await relay.ended)) return;
    }
  }

  #next(): Try | undefined {
    const again = this.#again;
    if (again !== undefined) {
      this.#again = undefined;
      return again;
    }
    if (this.#last !== undefined && !this.#mayGoOn(this.#last)) return undefined;
    const target = this.#itinerary.next();
    if (target === undefined) return undefined;
    const hasSpare = this.#itinerary.hasMore || this.#round < this.#route.retries.max;
    const { asksForUsage, streamed } = this.#facts;
    const withUsage =
      asksForUsage === false &&
      streamed &&
      target.upstream.takesStreamOptions &&
      this.#sending.taken.json !== undefined;
    return {
      target,
      rewritten: this.#bodyFor(target, withUsage),
      withUsage,
      fresh: false,
      spare: hasSpare ? this.#how : "never",
    };
  }

  #begin(one: Try): Relay | undefined {
    try {
      return tryOnce(this.#sending, one);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#setBack({ failure: error.kind, error, sent: false });
      return undefined;
    }
  }

  /** Judges how a try ended; true when all is over. */
  #isDone(one: Try, relay: Relay, ended: Ending): boolean {
    const { passage, fleet, options } = this.#sending;
    const { answer } = relay;
    const ending = relay.over(ended);
    const attempt = passage.draft.attempts.at(-1);
    if (ending.kind === "failed" && ending.stale && !one.fresh && !passage.left && this.#how !== "never") {
      this.#again = { ...one, fresh: true };
      passage.draft.enter("overhead", options.surroundings.clock.now());
      return false;
    }
    fleet.gate.learned(one.target, ending, attempt, passage.draft);
    switch (ending.kind) {
      case "answered":
      case "cancelled":
        return true;
      case "failed": {
        if (answer?.began) {
          passage.close(outcomeOf(ending.failure, ending.detail, attempt?.status));
          answer.cut();
          return true;
        }
        answer?.deafen();
        const error = new Failed(ending.failure, ending.detail);
        this.#setBack({ failure: ending.failure, error, sent: attempt?.connectedAt !== undefined });
        return false;
      }
      case "held":
        return this.#isDoneWith(one, ending.answer);
    }
  }

  /** The same for an answer that was kept back. */
  #isDoneWith(one: Try, held: HeldAnswer): boolean {
    const { passage, options } = this.#sending;
    const { target } = one;
    const { status } = held.head;
    if (one.withUsage && rejectsStreamOptions(held)) {
      target.upstream.takesStreamOptions = false;
      if (passage.draft.closed) return true;
      this.#again = { ...one, withUsage: false, rewritten: this.#bodyFor(target, false) };
      passage.draft.enter("overhead", options.surroundings.clock.now());
      return false;
    }
    const failure = failureOfStatus(status, target.upstream.ownKey);
    if (failure === undefined || failure === "upstream_rejected") {
      this.#relay(held);
      return true;
    }
    const error = new Failed(failure, errorText(held) ?? `The backend answered ${status}.`);
    // What it says of our key is not for the client.
    this.#setBack({ failure, error, ...(failure !== "backend_auth" && { held }), sent: true });
    return false;
  }

  #setBack(setback: Setback): void {
    const { wall } = this.#sending.options.surroundings.clock;
    this.#last = setback;
    const asked = setback.held && askedWait(setback.held.head.crossing, wall());
    this.#asked = Math.min(this.#asked, asked ?? 0);
  }

  #mayGoOn({ failure, sent }: Setback): boolean {
    return mayRepeat(this.#how, failure, sent);
  }

  /** Waits before the next round; false where there is none to wait for. */
  async #rested(): Promise<boolean> {
    const { retries } = this.#route;
    const { random, clock } = this.#sending.options.surroundings;
    if (this.#last === undefined || this.#round >= retries.max || !this.#mayGoOn(this.#last)) return false;
    const asked = this.#asked > 0 ? this.#asked : undefined;
    const millis = wait(retries, this.#round + 1, asked, random);
    if (millis === undefined) return false;
    const { passage } = this.#sending;
    passage.draft.enter("backoff", clock.now());
    await passage.rest(millis);
    passage.draft.enter("overhead", clock.now());
    this.#round += 1;
    this.#asked = Number.POSITIVE_INFINITY;
    this.#itinerary.again();
    return true;
  }

  /** No target is left: the last one's own answer where it gave one, else ours. */
  #giveUp(): void {
    const last = this.#last;
    if (last === undefined) throw this.#sending.fleet.gate.noneUp(this.#route.targets);
    if (last.held === undefined || last.held.isCut) throw last.error;
    this.#relay(last.held);
  }

  #relay(held: HeldAnswer): void {
    const { passage, corsHeaders } = this.#sending;
    const { status, statusText, crossing } = held.head;
    passage.draft.responseBytes += held.body.length;
    passage.closesWith(outcomeOf(failureOfStatus(status, true) ?? "upstream_rejected", errorText(held), status));
    reply(passage.res, status, held.body, [...crossing, ...ownHeaders(passage), ...corsHeaders], statusText);
  }

  /** The body for a target; `undefined` where the client's own goes as it is. */
  #bodyFor({ model }: Target, withUsage: boolean): Buffer | undefined {
    const { passage, taken } = this.#sending;
    const { systemPrompt } = this.#route;
    const renamed = model === this.#facts.model ? undefined : model;
    if (renamed === undefined && systemPrompt === undefined && !withUsage) return undefined;
    if (taken.json === undefined) {
      if (renamed === undefined) return undefined;
      throw new GatewayError(
        "no_route",
        `The model '${this.#facts.model}' is an alias on this gateway, which only requests in JSON can use; name the backend's own model '${renamed}'.`,
        "model",
      );
    }
    const { operation } = passage.receiver;
    const prompts = systemPrompt === undefined ? [] : [systemPrompt];
    const { body, systemPromptApplied } = rewritten(taken.json, { model: renamed, prompts, withUsage, operation });
    if (systemPromptApplied) passage.draft.systemPromptApplied = true;
    return body;
  }
}
