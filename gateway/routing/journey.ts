// One request's way over its route: target after target, round after round, until an answer goes out or none can be had.
import type { HeldAnswer } from "../attempt.ts";
import { type FailureKind, GatewayError, outcomeOf } from "../errors.ts";
import type { RequestFacts } from "../receivers/receiver.ts";
import { type Tried, type Try, tryOnce } from "../relay.ts";
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
  readonly kind: "setback";
  readonly failure: FailureKind;
  readonly error: GatewayError;
  /** What it answered all the same. */
  readonly held?: HeldAnswer;
  /** It may have acted on the request. */
  readonly sent: boolean;
}

type Result = Setback | { readonly kind: "done"; readonly held?: HeldAnswer };

const done: Result = { kind: "done" };

/**
 * Resolves when an answer has gone out, or the client is gone; or to an answer that was kept back and is the one to go
 * out after all. Throws a GatewayError for an answer of our own.
 */
export const journey = (sending: Sending, route: Route, facts: RequestFacts): Promise<HeldAnswer | undefined> =>
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

  constructor(sending: Sending, route: Route, facts: RequestFacts) {
    const { passage, taken, fleet } = sending;
    this.#sending = sending;
    this.#route = route;
    this.#facts = facts;
    const isKept = taken.body === null || Buffer.isBuffer(taken.body);
    this.#how = repeatable(passage.receiver, passage.req.method ?? "GET", isKept);
    this.#itinerary = new Itinerary(route, fleet.standing, fleet.gate);
  }

  async run(): Promise<HeldAnswer | undefined> {
    let last: Setback | undefined;
    for (;;) {
      const target = last === undefined || this.#mayGoOn(last) ? this.#itinerary.next() : undefined;
      if (target !== undefined) {
        const result = await this.#ask(target);
        if (result.kind === "done") return result.held;
        last = result;
        this.#asked = Math.min(this.#asked, this.#askedBy(result));
      } else if (last === undefined) {
        throw this.#sending.fleet.gate.noneUp(this.#route.targets);
      } else if (!(await this.#rested(last))) {
        if (last.held && !last.held.isCut) return last.held;
        throw last.error;
      }
    }
  }

  #mayGoOn({ failure, sent }: Setback): boolean {
    return mayRepeat(this.#how, failure, sent);
  }

  /** What may be done after the present target: kept answers need a next try to be kept for. */
  #spare(): Repeatable {
    return this.#itinerary.hasMore || this.#round < this.#route.retries.max ? this.#how : "never";
  }

  #askedBy({ held }: Setback): number {
    const { wall } = this.#sending.options.surroundings.clock;
    return (held && askedWait(held.head.crossing, wall())) ?? 0;
  }

  /** Waits before the next round; false where there is none to wait for. */
  async #rested(last: Setback): Promise<boolean> {
    const { retries } = this.#route;
    const { random, clock } = this.#sending.options.surroundings;
    if (this.#round >= retries.max || !this.#mayGoOn(last)) return false;
    const asked = this.#asked > 0 && Number.isFinite(this.#asked) ? this.#asked : undefined;
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

  /** Asks one target, again at once where only a small thing stood in the way. */
  async #ask(target: Target): Promise<Result> {
    const { options, fleet, passage, taken } = this.#sending;
    const { upstream } = target;
    const { now } = options.surroundings.clock;
    const spare = this.#spare();
    let withUsage =
      this.#facts.asksForUsage === false &&
      this.#facts.streamed &&
      upstream.takesStreamOptions &&
      taken.json !== undefined;
    let fresh = false;
    for (;;) {
      const one: Try = { target, rewritten: this.#bodyFor(target, withUsage), withUsage, fresh, spare };
      let tried: Tried;
      try {
        tried = await tryOnce(this.#sending, one);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        return { kind: "setback", failure: error.kind, error, sent: false };
      }
      const { ending, answer } = tried;
      const attempt = passage.draft.attempts.at(-1);
      if (ending.kind === "failed" && ending.stale && !fresh && !passage.left && this.#how !== "never") {
        fresh = true;
        passage.draft.enter("overhead", now());
        continue;
      }
      fleet.gate.learned(target, ending, attempt, passage.draft);
      switch (ending.kind) {
        case "answered":
        case "cancelled":
          return done;
        case "failed": {
          if (answer?.began) {
            passage.close(outcomeOf(ending.failure, ending.detail, attempt?.status));
            answer.cut();
            return done;
          }
          answer?.deafen();
          const error = new Failed(ending.failure, ending.detail);
          return { kind: "setback", failure: ending.failure, error, sent: attempt?.connectedAt !== undefined };
        }
        case "held": {
          if (withUsage && rejectsStreamOptions(ending.answer)) {
            upstream.takesStreamOptions = false;
            if (passage.draft.closed) return done;
            withUsage = false;
            passage.draft.enter("overhead", now());
            continue;
          }
          const { answer: held } = ending;
          const failure = failureOfStatus(held.head.status, upstream.ownKey);
          if (failure === undefined || failure === "upstream_rejected") return { kind: "done", held };
          const error = new Failed(failure, errorText(held) ?? `The backend answered ${held.head.status}.`);
          if (failure === "backend_auth") return { kind: "setback", failure, error, sent: true };
          return { kind: "setback", failure, error, held, sent: true };
        }
      }
    }
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
