// One request's way through the gateway: its draft, who ends it, and the one record that comes of it.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CacheSaved, Exchange, ExchangeDraft, Findings, Outcome, Pipeline } from "../instrumentation/index.ts";
import { ClientLeft, GatewayError } from "./errors.ts";
import type { AnswerFacts, Receiver, RequestFacts } from "./receivers/receiver.ts";
import type { Tap } from "./tap.ts";
import { reviewed } from "./verdict.ts";
import { type Witness, Witnesses } from "./witness.ts";

/** What is known of an answer that no backend was asked for. */
export interface Replayed {
  /** The model that served it. */
  readonly served?: string;
  readonly saved: CacheSaved;
}

/** Told of a response that is not finished with its answer. */
export interface Background {
  goesOn(id: string): void;
}

/** What is under way for a request, and can be ended from outside. */
export interface Running {
  /** The client left before its answer was complete. */
  leave(): void;
  /** The gateway goes down: ends at once, whatever the client does. */
  stop(): void;
}

export interface PassageOptions {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly receiver: Receiver;
  readonly now: () => number;
  readonly pipeline: Pipeline;
  /** Told of the final record, after its close. */
  readonly recorded: (passage: Passage) => void;
}

const noFacts: RequestFacts = { streamed: false };
const abandoned: Outcome = { kind: "abandoned", status: 499 };
const noHeaders: readonly string[] = [];
const knowsNothing = () => noFacts;

/** Opened with the request. Whoever comes first closes it; `record` is called once, when nothing more will be learned. */
export class Passage {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly receiver: Receiver;
  readonly #now: () => number;
  readonly #pipeline: Pipeline;
  readonly #recorded: (passage: Passage) => void;
  /** Its place among the open ones. */
  place = -1;
  facts: () => RequestFacts = knowsNothing;
  /** The request's JSON text, kept only to estimate from, where the backend states no usage. */
  json: Buffer | undefined = undefined;
  tap: Tap | undefined = undefined;
  /** What the client is told of its limits, flat. */
  limitHeaders: readonly string[] = noHeaders;
  running: Running | undefined = undefined;
  #witness: Witness | undefined = undefined;
  /** Of a response that is made in the background. */
  background: Background | undefined = undefined;
  /** The response of earlier whose usage this answer states. */
  caughtUp: string | undefined = undefined;
  /** What the cache knows of the answer that it gave. */
  replayed: Replayed | undefined = undefined;
  /** How it ends once the client has its answer's last byte. */
  #whole: Outcome | undefined = undefined;
  /** How it ends where the client leaves now. */
  #ifLeft: Outcome = abandoned;
  /** Resolves when the client's side is over: answered, or gone. */
  readonly over: Promise<void>;

  constructor({ req, res, draft, receiver, now, pipeline, recorded }: PassageOptions) {
    this.req = req;
    this.res = res;
    this.draft = draft;
    this.receiver = receiver;
    this.#now = now;
    this.#pipeline = pipeline;
    this.#recorded = recorded;
    this.over = new Promise((resolve) => {
      res.on("close", () => {
        this.#gone();
        resolve();
      });
    });
  }

  #gone(): void {
    if (this.res.writableFinished) {
      if (this.#whole) this.close(this.#whole);
    } else if (this.draft.close(this.#ifLeft, this.#now())) this.running?.leave();
  }

  get left(): boolean {
    return this.res.destroyed && !this.res.writableFinished;
  }

  /** Nobody waits for an answer any more, or nobody may have one. */
  get isOver(): boolean {
    return this.left || this.draft.closed;
  }

  /** To be asked after each wait. Throws ClientLeft where the client left meanwhile, GatewayError where the gateway goes down. */
  goOn(): void {
    if (this.left) throw new ClientLeft();
    if (this.draft.closed) throw new GatewayError("shutting_down");
  }

  close(outcome: Outcome): void {
    this.draft.close(outcome, this.#now());
  }

  /** The answer is whole: closes with this outcome once its last byte has left. */
  closesWith(outcome: Outcome): void {
    this.#whole = outcome;
  }

  /** The client was told that this is all: whoever leaves then has it. The connection's own word may still be on its way. */
  mayLeaveWith(outcome: Outcome): void {
    this.#ifLeft = outcome;
  }

  /** Who looks on while the answer goes out; nobody, mostly. */
  get witness(): Witness | undefined {
    return this.#witness;
  }

  /** Has one more look on. */
  showTo(witness: Witness): void {
    this.#witness = this.#witness === undefined ? witness : new Witnesses(this.#witness, witness);
  }

  /** Waits, unless the client leaves (ClientLeft) or the gateway goes down (GatewayError). */
  rest(millis: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, millis);
      const end = (why: Error) => {
        clearTimeout(timer);
        reject(why);
      };
      this.running = { leave: () => end(new ClientLeft()), stop: () => end(new GatewayError("shutting_down")) };
      if (this.left) this.running.leave();
    });
  }

  /** Hands the record on; sealing it waits until the answer's bytes are all decoded and the hot path is left. */
  record(): void {
    const hand = () => {
      this.#pipeline.record(this);
      this.#recorded(this);
    };
    if (this.tap) this.tap.decoded(hand);
    else hand();
  }

  /** The exchange's. */
  get id(): string {
    return this.draft.opening.id;
  }

  /** Puts the record together; called once, by the pipeline. */
  seal(): Exchange {
    const answer = this.tap?.finish();
    const { draft } = this;
    const facts = this.facts();
    learn(draft, facts);
    const media = facts.media || answer?.media ? { ...facts.media, ...answer?.media } : undefined;
    const { served, saved } = this.replayed ?? {};
    const { unfinished } = answer ?? {};
    const responseId = unfinished ?? this.caughtUp;
    const findings: Findings = {
      ...(served !== undefined && { served }),
      ...(saved && { cacheSaved: saved }),
      ...(answer?.model !== undefined && { served: answer.model }),
      ...this.#usage(answer),
      ...(media !== undefined && { media }),
      ...(responseId !== undefined && { responseId }),
    };
    const outcome = reviewed(draft.outcome, answer, draft.streamed);
    const attempt = draft.attempts.at(-1);
    if (attempt && outcome.kind !== draft.outcome.kind) {
      attempt.result = outcome.kind;
      if ("reason" in outcome) attempt.reason = outcome.reason;
    }
    const exchange = draft.seal(findings, outcome);
    this.#witness?.over(exchange);
    if (unfinished !== undefined) this.background?.goesOn(unfinished);
    return exchange;
  }

  /** Usage as the provider states it; else estimated; else known to be missing. Nothing where none can be expected. */
  #usage(answer: AnswerFacts | undefined): Pick<Findings, "tokens" | "usageSource"> {
    if (answer === undefined || !(this.receiver.metered || this.caughtUp !== undefined)) return {};
    // Neither nothing, nor what was used so far, nor an estimate of the question alone: it is still to be stated.
    if (answer.unfinished !== undefined) return { usageSource: "missing" };
    if (answer.tokens) return { tokens: answer.tokens, usageSource: "provider" };
    const { status } = this.draft.attempts.at(-1) ?? {};
    if (status === undefined || status >= 400) return {};
    const input = this.json && this.receiver.estimateInput?.(JSON.parse(this.json.toString("utf8")));
    const output = answer.estimatedOutput;
    if (input === undefined && output === undefined) return { usageSource: "missing" };
    return {
      tokens: { ...(input !== undefined && { input }), ...(output !== undefined && { output }) },
      usageSource: "estimated",
    };
  }
}

/** Writes what the request's body says into the draft. */
export function learn(draft: ExchangeDraft, facts: RequestFacts): void {
  draft.requestedModel = facts.model;
  draft.streamed = facts.streamed;
  draft.messageCount = facts.messageCount;
  if (facts.mcpServers) draft.mcpServers = facts.mcpServers;
  if (facts.user !== undefined && draft.caller.user === undefined) draft.caller = { ...draft.caller, user: facts.user };
  if (facts.metadata && draft.purpose.metadata === undefined)
    draft.purpose = { ...draft.purpose, metadata: facts.metadata };
}
