// Quotes: what a request would cost at the backends that may get it, by the prices that its record will be charged by.
import {
  costs,
  type Media,
  type Operation,
  type Priced,
  type PriceRule,
  type Tokens,
} from "../../../instrumentation/index.ts";

/** A backend that may get the request, as routes have it. */
interface QuoteTarget {
  readonly upstream: { readonly backend: { readonly name: string; readonly provider: string } };
  /** The model's name there; `undefined`: as the client names it. */
  readonly model: string | undefined;
}

interface QuoteRequest {
  readonly operation: Operation;
  /** As the client names it. */
  readonly model: string;
  /** As the answer names it, where it does already. */
  readonly served?: string | undefined;
  readonly targets: readonly QuoteTarget[];
  readonly input: number;
  readonly output: number;
  readonly media?: Media | undefined;
  /** All that is known, where the two counts are not estimated. */
  readonly tokens?: Tokens | undefined;
}

/** nano-USD at the dearest target; `undefined` where one of them has no known price; 0 where nothing is charged for. */
export type Quotes = (request: QuoteRequest, at: number) => number | undefined;

/** Throws a RangeError where a rule makes no sense, as the price processor does. */
export function quotes(rules: readonly PriceRule[]): Quotes {
  const costOf = costs({ rules });
  return (request, at) => {
    let dearest = 0;
    for (const target of request.targets) {
      const cost = costOf(imagined(request, target, at));
      if (cost === undefined) continue;
      if (cost.status === "unpriced") return undefined;
      dearest = Math.max(dearest, cost.nanoUsd);
    }
    return dearest;
  };
}

/** The exchange as it would be, had it gone well there and used what is estimated. */
function imagined(request: QuoteRequest, { upstream: { backend }, model: renamed }: QuoteTarget, at: number): Priced {
  const { operation, model, served, input, output, media, tokens = { input, output } } = request;
  const attempt = {
    backend: backend.name,
    provider: backend.provider,
    model: renamed ?? model,
    status: 200,
    seconds: 0,
    result: "completed",
  } as const;
  const exchange: Priced = {
    operation,
    openedAt: at,
    model: served === undefined ? { requested: model } : { requested: model, served },
    tokens,
    usageSource: "provider",
    cache: "miss",
    outcome,
    attempts: [attempt],
  };
  return media === undefined ? exchange : { ...exchange, media };
}

const outcome = { kind: "completed", status: 200, finish: "stop" } as const;
