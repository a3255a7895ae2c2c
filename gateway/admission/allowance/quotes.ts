// Quotes: what a request would cost at the backends that may get it, by the prices that its record will be charged by.
import {
  costs,
  type Exchange,
  type Media,
  type Operation,
  type PriceRule,
  type Tokens,
} from "../../../instrumentation/index.ts";

/** A backend that may get the request. */
interface QuoteTarget {
  readonly backend: string;
  readonly provider: string;
  /** The model's name there. */
  readonly model: string;
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
    const exchange = imagined(request, at);
    let dearest = 0;
    for (const { backend, provider, model } of request.targets) {
      exchange.attempts = [{ backend, provider, model, ...gone }];
      const cost = costOf(exchange);
      if (cost === undefined) continue;
      if (cost.status === "unpriced") return undefined;
      dearest = Math.max(dearest, cost.nanoUsd);
    }
    return dearest;
  };
}

type Imagined = Omit<Exchange, "attempts"> & { attempts: Exchange["attempts"] };

/** The exchange as it would be, had it used what is estimated; the same for each target, but for its attempt. */
function imagined(request: QuoteRequest, at: number): Imagined {
  const { operation, model, served, input, output, media, tokens = { input, output } } = request;
  return {
    ...blank,
    openedAt: at,
    operation,
    model: served === undefined ? { requested: model } : { requested: model, served },
    tokens,
    ...(media !== undefined && { media }),
  };
}

/** An attempt that went well. */
const gone = { spanId: "", startedAfter: 0, seconds: 0, status: 200, result: "completed" } as const;

const blank: Exchange = {
  kind: "exchange",
  id: "",
  openedAt: 0,
  operation: "other",
  serviceType: "other",
  endpoint: "",
  method: "POST",
  caller: { auth: "none" },
  purpose: {},
  model: {},
  streamed: false,
  upstreamMode: "other",
  mcpServers: [],
  systemPromptApplied: false,
  attempts: [],
  cache: "miss",
  phases: { receive: 0, queue: 0, backoff: 0, connect: 0, firstByte: 0, stream: 0, overhead: 0 },
  totalSeconds: 0,
  bytes: { request: 0, response: 0 },
  usageSource: "provider",
  outcome: { kind: "completed", status: 200, finish: "stop" },
  trace: { traceId: "", spanId: "" },
};
