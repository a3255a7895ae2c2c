// What a request may use, estimated before it is sent: cheap, and rather too much than too little.
import type { Operation } from "../../../instrumentation/index.ts";
import type { RequestFacts } from "../../receivers/receiver.ts";
import { mostTokens } from "../../receivers/request.ts";
import type { Identity } from "../identity.ts";
import type { Ask } from "./allowance.ts";

/** What a request that may use so much would cost, nano-USD; `undefined` where no price is known. */
type Quote = (input: number, output: number) => number | undefined;

export interface EstimateOptions {
  /** The exchange's. */
  readonly id: string;
  readonly identity: Identity;
  readonly operation: Operation;
  /** The receiver has usage to meter; where it has none, nothing is estimated. */
  readonly metered: boolean;
  readonly facts: RequestFacts;
  /** The body, where it is JSON. */
  readonly json: Buffer | undefined;
  /** For each choice of a request that sets no maximum, tokens. */
  readonly outputTokens: number;
  readonly quote: Quote;
}

/** Text in JSON has about four bytes a token in English, and fewer tokens than that where it is escaped. */
const bytesPerToken = 4;
/** An image in the body is thousands of bytes long and about so many tokens. */
const tokensPerInlined = 1_000;
const inlined = ";base64,";
/** A body that is shorter is not searched for images. */
const searchedBytes = 16_384;

/** Operations that answer with text of unknown length. */
const generating: ReadonlySet<Operation> = new Set(["chat", "completion", "response"]);

/** Finds the figures out when they are asked for, so that a caller without limits pays nothing. */
export class Estimate implements Ask {
  readonly #options: EstimateOptions;

  constructor(options: EstimateOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  get identity(): Identity {
    return this.#options.identity;
  }

  get model(): string | undefined {
    return this.#options.facts.model;
  }

  get estimatedTokens(): number {
    return this.#input() + this.#output();
  }

  get estimatedNanoUsd(): number | undefined {
    return this.#options.metered ? this.#options.quote(this.#input(), this.#output()) : 0;
  }

  #input(): number {
    const { metered, json } = this.#options;
    return metered && json !== undefined ? inputTokens(json) : 0;
  }

  #output(): number {
    const { metered, operation, facts, outputTokens } = this.#options;
    if (!metered) return 0;
    const { maxOutputTokens, choices = 1 } = facts;
    if (maxOutputTokens !== undefined) return maxOutputTokens;
    return generating.has(operation) ? Math.min(outputTokens * choices, mostTokens) : 0;
  }
}

/** Tokens of a JSON body, by its length; what is inlined as base64 counts by the piece. */
function inputTokens(json: Buffer): number {
  let bytes = json.length;
  let pieces = 0;
  if (bytes > searchedBytes) {
    for (let at = json.indexOf(inlined); at !== -1; at = json.indexOf(inlined, at)) {
      const end = json.indexOf('"', at);
      if (end === -1) break;
      bytes -= end - at;
      pieces += 1;
      at = end;
    }
  }
  return Math.ceil(bytes / bytesPerToken) + pieces * tokensPerInlined;
}
