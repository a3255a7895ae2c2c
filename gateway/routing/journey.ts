// One request's way over its route: target after target, round after round, until an answer goes out or none can be had.
import type { Ending, HeldAnswer } from "../attempt.ts";
import { GatewayError, outcomeOf } from "../errors.ts";
import type { Sent } from "../intake.ts";
import { ownHeaders } from "../outgoing.ts";
import type { RequestFacts } from "../receivers/receiver.ts";
import { type Relay, tryOnce } from "../relay.ts";
import { reply } from "../reply.ts";
import { rewritten } from "../rewrite/body.ts";
import { Failed, type Sending } from "../sending.ts";
import type { Setback, Try } from "../try.ts";
import { failureOfStatus } from "../verdict.ts";
import { askedWait, wait } from "./backoff.ts";
import { errorText, rejectsStreamOptions } from "./held.ts";
import { Itinerary } from "./itinerary.ts";
import { mayRepeat, needsAnother, type Repeatable, repeatable } from "./repeat.ts";
import { promptsOf, type Route, type Target } from "./route.ts";
import { Turn } from "./turn.ts";

/** Resolves when an answer has gone out, or the client is gone. Rejects with a GatewayError for an answer of our own. */
export const journey = (sending: Sending, route: Route, facts: RequestFacts): Promise<void> =>
  new Journey(sending, route, facts).run();

class Journey {
  readonly #sending: Sending;
  readonly #route: Route;
  readonly #facts: RequestFacts;
  readonly #how: Repeatable;
  readonly #isUpload: boolean;
  readonly #itinerary: Itinerary;
  #round = 0;
  /** The same target at once again, where only a small thing stood in the way. */
  #again: Try | undefined;
  #last: Setback | undefined;
  readonly #turn: Turn;
  /** It would not be asked for usage; whether that was all, its answer to the same without shows. */
  #refusedUsage: Target | undefined;

  constructor(sending: Sending, route: Route, facts: RequestFacts) {
    const { passage, taken, fleet, options } = sending;
    this.#sending = sending;
    this.#route = route;
    this.#facts = facts;
    this.#turn = new Turn(sending);
    this.#isUpload = taken.body !== null && !Buffer.isBuffer(taken.body);
    this.#how = repeatable(passage.receiver, passage.req.method ?? "GET", !this.#isUpload);
    const { now } = options.surroundings.clock;
    this.#itinerary = new Itinerary(route, fleet.standing, fleet.gate, now, facts.model);
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        const again = this.#again;
        const target = again?.target ?? this.#next();
        if (target === undefined) {
          if (await this.#rested()) continue;
          this.#giveUp();
          return;
        }
        try {
          this.#again = undefined;
          const taken = this.#turn.isTaken ? undefined : this.#turn.take(target);
          if (taken !== undefined && !(await this.#mayGoAfter(taken, target))) continue;
          const one = again ?? this.#first(target);
          const relay = tryOnce(this.#sending, one);
          if (this.#isDone(one, relay, await relay.ended)) return;
        } catch (error) {
          this.#hindered(target, error);
        }
      }
    } finally {
      this.#turn.end();
    }
  }

  /** The breaker may have opened meanwhile: then those who waited go elsewhere, as those do who come now. */
  async #mayGoAfter(wait: Promise<void>, target: Target): Promise<boolean> {
    const { gate } = this.#sending.fleet;
    const isTrial = gate.isTrial(target);
    await wait;
    if (gate.stillAdmits(target, isTrial)) return true;
    this.#setBack(target, { failure: "no_backend_up", error: gate.noneUp([target]), sent: false });
    return false;
  }

  /** Nothing was sent: no slot, no connection, or no body for it was to be had. Throws what ends the request. */
  #hindered(target: Target, error: unknown): void {
    this.#sending.fleet.gate.forgo(target);
    if (!(error instanceof GatewayError) || error.kind === "shutting_down") throw error;
    this.#setBack(target, { failure: error.kind, error, sent: false });
  }

  /** The next target, which holds a trial's place of its breaker until something is learned of it, or it is forgone. */
  #next(): Target | undefined {
    if (this.#last !== undefined && !this.#mayGoOn(this.#last)) return undefined;
    return this.#itinerary.next();
  }

  /** What goes to a target first. Throws a GatewayError where there is no body for it. */
  #first(target: Target): Try {
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

  /** Judges how a try ended; true when all is over. */
  #isDone(one: Try, relay: Relay, ended: Ending): boolean {
    const { passage, fleet, options } = this.#sending;
    const { answer } = relay;
    const ending = relay.over(ended);
    const attempt = passage.draft.attempts.at(-1);
    // Before anything was written an upload is still there, too.
    const isLeft = this.#how !== "never" || attempt?.connectedAt === undefined;
    if (ending.kind === "failed" && ending.stale && !one.fresh && !passage.isOver && isLeft) {
      this.#again = { ...one, fresh: true };
      passage.draft.enter("overhead", options.surroundings.clock.now());
      return false;
    }
    fleet.gate.learned(one.target, { ending, attempt, draft: passage.draft, isUpload: this.#isUpload });
    switch (ending.kind) {
      case "answered":
        if (one.target === this.#refusedUsage && attempt?.status === 200)
          one.target.upstream.takesStreamOptions = false;
        return true;
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
        this.#setBack(one.target, { failure: ending.failure, error, sent: attempt?.connectedAt !== undefined });
        // Nobody waits for another try.
        return passage.isOver;
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
      if (passage.isOver) return true;
      this.#refusedUsage = target;
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
    this.#setBack(target, { failure, error, ...(failure !== "backend_auth" && { held }), sent: true });
    return passage.isOver;
  }

  /** Leaves the target alone for as long as it asked for, or altogether where it would only say the same again. */
  #setBack(target: Target, setback: Setback): void {
    const { wall } = this.#sending.options.surroundings.clock;
    const { failure, held } = setback;
    this.#last = setback;
    this.#turn.end();
    const asked = needsAnother(failure) ? Number.POSITIVE_INFINITY : held && askedWait(held.head.crossing, wall());
    if (asked) this.#itinerary.rest(target, asked);
  }

  #mayGoOn({ failure, sent }: Setback): boolean {
    return mayRepeat(this.#how, failure, sent);
  }

  /** Waits before the next round, or the rest of this one; false where there is none to wait for. */
  async #rested(): Promise<boolean> {
    const { retries } = this.#route;
    const { random, clock } = this.#sending.options.surroundings;
    if (this.#last === undefined || !this.#mayGoOn(this.#last)) return false;
    const round = this.#itinerary.hasLater ? this.#round : this.#round + 1;
    if (round > retries.max) return false;
    const millis = wait(retries, round, this.#itinerary.soonest, random);
    if (millis === undefined) return false;
    const { passage } = this.#sending;
    passage.draft.enter("backoff", clock.now());
    await passage.rest(millis);
    passage.goOn();
    passage.draft.enter("overhead", clock.now());
    this.#round = round;
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
  #bodyFor({ model }: Target, withUsage: boolean): Sent | undefined {
    const { passage, taken, identity } = this.#sending;
    const prompts = promptsOf(this.#route, identity);
    const renamed = model === this.#facts.model ? undefined : model;
    if (renamed === undefined && prompts.length === 0 && !withUsage) return undefined;
    // A form names its model in a field; nothing else that is not JSON names any.
    if (taken.json === undefined) return renamed === undefined ? undefined : taken.renamed?.(renamed);
    const { operation } = passage.receiver;
    const { body, systemPromptApplied } = rewritten(taken.json, { model: renamed, prompts, withUsage, operation });
    if (systemPromptApplied) passage.draft.systemPromptApplied = true;
    return body && { body };
  }
}
