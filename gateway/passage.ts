// One request's way through the gateway: its draft, who ends it, and the one record that comes of it.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Exchange, ExchangeDraft, Findings, Outcome, Pipeline } from "../instrumentation/index.ts";
import type { AnswerFacts, Receiver, RequestFacts } from "./receivers/receiver.ts";
import type { Tap } from "./tap.ts";
import { reviewed } from "./verdict.ts";

export interface PassageOptions {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly receiver: Receiver;
  readonly now: () => number;
  readonly pipeline: Pipeline;
  /** Told of the final record, after its close. */
  readonly recorded: () => void;
}

const noFacts: RequestFacts = { streamed: false };

/** Opened with the request. Whoever comes first closes it; `record` is called once, when nothing more will be learned. */
export class Passage {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly draft: ExchangeDraft;
  readonly receiver: Receiver;
  readonly #options: PassageOptions;
  /** Its place among the open ones. */
  place = -1;
  facts: () => RequestFacts = () => noFacts;
  /** The request's JSON text, kept only to estimate from, where the backend states no usage. */
  json: Buffer | undefined;
  tap: Tap | undefined;
  /** What is to happen when the client leaves before its answer is complete. */
  onLeave: () => void = () => {};
  /** Ends the attempt that runs, whatever the client does. */
  stop: () => void = () => {};
  /** Resolves when the client's side is over: answered, or gone. */
  readonly over: Promise<void>;

  constructor(options: PassageOptions) {
    const { req, res, draft, receiver, now } = options;
    this.#options = options;
    this.req = req;
    this.res = res;
    this.draft = draft;
    this.receiver = receiver;
    this.over = new Promise((resolve) => {
      res.once("close", () => {
        if (!res.writableFinished && draft.close({ kind: "abandoned", status: 499 }, now())) this.onLeave();
        resolve();
      });
    });
  }

  get left(): boolean {
    return this.res.destroyed && !this.res.writableFinished;
  }

  close(outcome: Outcome): void {
    this.draft.close(outcome, this.#options.now());
  }

  /** Hands the record on; sealing it waits until the answer's bytes are all decoded and the hot path is left. */
  record(): void {
    const { pipeline, recorded } = this.#options;
    const { tap } = this;
    const hand = () => {
      pipeline.record(() => this.#seal(tap?.finish()));
      recorded();
    };
    if (tap) tap.decoded(hand);
    else hand();
  }

  #seal(answer: AnswerFacts | undefined): Exchange {
    const { draft } = this;
    const facts = this.facts();
    learn(draft, facts);
    const media = facts.media || answer?.media ? { ...facts.media, ...answer?.media } : undefined;
    const findings: Findings = {
      ...(answer?.model !== undefined && { served: answer.model }),
      ...this.#usage(answer),
      ...(media !== undefined && { media }),
    };
    const outcome = reviewed(draft.outcome, answer, draft.streamed);
    const attempt = draft.attempts.at(-1);
    if (attempt && outcome.kind !== draft.outcome.kind) {
      attempt.result = outcome.kind;
      if ("reason" in outcome) attempt.reason = outcome.reason;
    }
    return draft.seal(findings, outcome);
  }

  /** Usage as the provider states it; else estimated; else known to be missing. Nothing where none can be expected. */
  #usage(answer: AnswerFacts | undefined): Pick<Findings, "tokens" | "usageSource"> {
    if (answer === undefined || !this.receiver.metered) return {};
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
