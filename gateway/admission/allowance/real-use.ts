// What a finished exchange really used; where that is not known, what was reserved for it.
import { type Attempt, discarded, type Exchange } from "../../../instrumentation/index.ts";
import type { Amounts } from "./rule.ts";

/** True where nothing was asked of a backend, nor answered from the cache: the request counts for nothing. */
export const neverSent = ({ attempts, cache }: Exchange): boolean => attempts.length === 0 && cache !== "hit";

/**
 * Tokens and money of an exchange, after it was priced, with what answers have used that were discarded for its own.
 * What the provider stated, or what was estimated from the answer, counts; an answer from the cache used none; a backend
 * that refused, or was never reached, used none. Else a backend may have worked for it, however it ended, and the
 * reservation stands.
 */
export function realUse(exchange: Exchange, reserved: Amounts): Amounts {
  const used = ofAnswer(exchange, reserved);
  const others = discarded(exchange);
  if (others.length === 0) return used;
  let { tokens, nanoUsd } = used;
  for (const other of others) {
    tokens += whole(other.tokens);
    nanoUsd += other.cost?.nanoUsd ?? reserved.nanoUsd;
  }
  return { tokens, nanoUsd };
}

function ofAnswer(exchange: Exchange, reserved: Amounts): Amounts {
  const { tokens, cache, attempts, operation, usageSource } = exchange;
  if (cache === "hit") return none;
  // What a stored response has used is its maker's: see `correct`.
  if (operation === "stored_response") return none;
  // Its backend goes on, and will state what it used. By the hour, this request has cost something already.
  if (exchange.responseId !== undefined)
    return { tokens: reserved.tokens, nanoUsd: reserved.nanoUsd + statedUse(exchange, none).nanoUsd };
  // A session in which no response began.
  if (operation === "realtime" && usageSource === undefined) return none;
  return statedUse(exchange, tokens !== undefined || attempts.some(mayHaveWorked) ? reserved : none);
}

/** What an exchange says was used; in the place of what it does not say, what is `unknown`. */
export const statedUse = ({ tokens, cost }: Pick<Exchange, "tokens" | "cost">, unknown: Amounts): Amounts => ({
  tokens: tokens === undefined ? unknown.tokens : counted(tokens.input, tokens.output),
  nanoUsd: cost !== undefined && "nanoUsd" in cost ? cost.nanoUsd : unknown.nanoUsd,
});

const none: Amounts = { tokens: 0, nanoUsd: 0 };

const counted = (input = 0, output = 0): number => whole(input) + whole(output);

/** A backend's JSON may hold any number. */
const whole = (count: number): number => (Number.isSafeInteger(count) && count > 0 ? count : 0);

/**
 * The backend began an answer, or the client left or time ran out while it worked on one, and it did not say what it
 * used. Where it said so, that is counted as what was discarded. It worked on nothing before there was a connection.
 */
function mayHaveWorked({ status, result, reason, tokens, connectSeconds }: Attempt): boolean {
  if (tokens !== undefined) return false;
  if (status !== undefined) return status < 400;
  return connectSeconds !== undefined && (result === "abandoned" || reason === "timeout");
}
