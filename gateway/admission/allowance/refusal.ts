// The refusal of a request that a limit or budget has no room for, in words, seconds and headers.
import { type FailureKind, GatewayError } from "../../errors.ts";
import type { Taken } from "./ledger.ts";
import { rateHeaders, span } from "./rate-headers.ts";
import { type Amounts, amountOf, type Counted, type Rule } from "./rule.ts";
import { windowSeconds } from "./window.ts";

type Refused = Extract<Taken, { readonly holding: undefined }>;

const kinds = {
  requests: "request_limit",
  tokens: "token_limit",
  streams: "concurrency_limit",
  money: "budget_exceeded",
} satisfies Record<Counted, FailureKind>;

/** What the client is told. Sums of others are no caller's business: only limits are named, and its own request. */
export function refusal(rules: readonly Rule[], refused: Refused, amounts: Amounts, wall: number): GatewayError {
  const { refusing, used, waitMillis } = refused;
  const waits = Number.isFinite(waitMillis);
  const seconds = Math.max(1, Math.ceil(waitMillis / 1000));
  const when = waits ? ` Try again in ${span(seconds)}.` : "";
  return new GatewayError(kinds[refusing.counted], sentence(refusing, amounts, waits) + when, undefined, {
    // A request larger than its limit is no different later; a client that waits all the same had better wait long.
    ...(waits ? { retryAfter: seconds } : refusing.counted !== "money" && { retryAfter: windowSeconds }),
    headers: rateHeaders(rules, used, wall),
  });
}

const whose = {
  key: "this API key",
  user: "this user",
  team: "this team",
  model: "this model",
  total: "all callers together",
} as const;

function sentence(rule: Rule, amounts: Amounts, waits: boolean): string {
  const { counted, period, limit, scope } = rule;
  const whom = whose[scope];
  if (counted === "money") {
    const often = period === "total" ? "in all" : `per ${period}`;
    return `The budget of ${usd(limit)} USD ${often} for ${whom} has no room for this request, which may cost up to ${usd(amounts.nanoUsd)} USD.`;
  }
  if (counted === "streams") return `${capital(whom)} may have ${limit} requests open at a time, and has.`;
  const often = `${limit} ${counted} per ${period}`;
  if (waits || counted === "requests") return `The limit of ${often} for ${whom} is reached.`;
  return `This request may use ${amountOf(rule, amounts)} tokens, more than the limit of ${often} for ${whom}; make it shorter, or set a lower maximum of output tokens.`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** With as many digits as it takes. */
const usd = (nano: number): string => (nano / 1e9).toFixed(9).replace(/\.?0+$/, "");
