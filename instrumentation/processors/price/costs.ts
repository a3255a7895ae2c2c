// What an exchange cost: by the operator's rules, else by the published price list.
import type { Cost, Operation } from "../../exchange.ts";
import type { PriceRule } from "../../settings.ts";
import { listedPrice } from "./pricebook.ts";
import type { Priced, PricedAttempt } from "./priced.ts";
import { type Names, resolutions } from "./resolutions.ts";
import { type ReadyRule, readyRule } from "./rules.ts";
import { charge, type Tariff } from "./tariff.ts";

export interface PriceOptions {
  /** In order; the first that matches wins over the price list. */
  readonly rules: readonly PriceRule[];
  /** How many resolved models are kept. */
  readonly remembered?: number;
}

interface Price {
  readonly status: "exact" | "custom";
  readonly name: string;
  at(unixMillis: number): Tariff;
}

/** What costs money. Reading a stored response does where it brings usage along: else that was charged for when it was made. */
const costing: ReadonlySet<Operation> = new Set([
  "chat",
  "completion",
  "response",
  "embedding",
  "image",
  "speech",
  "transcription",
  "translation",
  "moderation",
  "realtime",
]);

const unpriced: Cost = Object.freeze({ status: "unpriced" });
const cached: Cost = free("exact", "cache");

/**
 * Amounts are integer nano-USD, the three parts add up to `nanoUsd`, and each part was rounded once.
 *
 * - The model that served is looked for first (it is often a dated snapshot), then the one that was sent, then the one
 *   that was requested. A provider that the price list does not know is unpriced unless a rule says otherwise.
 * - `exact`: from the price list. `custom`: from a rule. `unpriced`: answered, but nobody states a price.
 * - No cost at all: nobody answered, or the price is known but nothing that it charges for was counted.
 *
 * Throws a RangeError at once, with a sentence for the operator, where a rule makes no sense.
 */
export function costs({ rules, remembered = 2_000 }: PriceOptions): (exchange: Priced) => Cost | undefined {
  const ready = rules.map(readyRule);
  const priceOf = resolutions(remembered, (names) => resolve(ready, names));

  return (exchange) => {
    const { operation, tokens } = exchange;
    if (!costing.has(operation) && !(operation === "stored_response" && tokens !== undefined)) return undefined;
    if (exchange.cache === "hit") return cached;
    const attempt = exchange.attempts[exchange.attempts.length - 1];
    if (attempt === undefined || !answered(exchange, attempt)) return undefined;
    const { served = "", requested = "" } = exchange.model;
    const { backend, provider, model: sent = requested } = attempt;
    const found = priceOf({ backend, provider, served, requested, sent });
    if (found === undefined) return unpriced;
    const tariff = found.at(exchange.openedAt);
    // A list without amounts is a price for moderation only, which providers do not charge for.
    if (isEmpty(tariff)) return exchange.operation === "moderation" ? free(found.status, found.name) : unpriced;
    const parts = charge(tariff, exchange, attempt);
    if (parts === undefined) return undefined;
    const { input, output, other } = parts;
    return Object.freeze({
      status: found.status,
      nanoUsd: input + output + other,
      input,
      output,
      other,
      price: found.name,
    });
  };
}

/** Rules before the list; in each, the names in the order given. */
function resolve(rules: readonly ReadyRule[], names: Names): Price | undefined {
  const { backend, provider, served, requested, sent } = names;
  const models = [...new Set([served, sent, requested])];
  const rule = rules.find(({ matches }) => models.some((model) => matches(backend, model)));
  if (rule !== undefined) return { status: "custom", name: rule.origin, at: rule.at };
  for (const model of models) {
    const listed = listedPrice(provider, model);
    if (listed !== undefined) return { status: "exact", ...listed };
  }
  return undefined;
}

/**
 * Whether there is something to pay for: the backend began an answer, or the client left while it worked on one, or
 * it stated its usage with an error. A request that failed or was refused before that costs nothing.
 */
function answered({ usageSource }: Priced, { status, result, connectSeconds }: PricedAttempt): boolean {
  if (usageSource === "provider") return true;
  return status === undefined ? result === "abandoned" && connectSeconds !== undefined : status < 400;
}

function isEmpty(tariff: Tariff): boolean {
  for (const _ in tariff) return false;
  return true;
}

function free(status: "exact" | "custom", price: string): Cost {
  return Object.freeze({ status, nanoUsd: 0, input: 0, output: 0, other: 0, price });
}
