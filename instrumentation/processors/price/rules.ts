// The operator's price rules, made ready: which exchanges each is for, and what it charges.
import type { PriceRule } from "../../settings.ts";
import { per, type Rate, rate } from "./money.ts";
import { listedPrice } from "./pricebook.ts";
import type { Tariff } from "./tariff.ts";
import type { TokenRates } from "./tokens.ts";

export interface ReadyRule {
  readonly origin: string;
  matches(backend: string, model: string): boolean;
  at(unixMillis: number): Tariff;
}

/**
 * Reads one rule. What it sets itself goes before what `sameAs` brings. Throws a RangeError, in a sentence that names
 * the rule and the fix, for a rule without any price, an amount that is none, or a `sameAs` that nobody lists.
 */
export function readyRule(rule: PriceRule): ReadyRule {
  const { origin, backend, sameAs } = rule;
  const matchesModel = pattern(rule.model);
  const matches: ReadyRule["matches"] = (asked, model) =>
    (backend === undefined || backend === asked) && matchesModel(model);
  const own = ownTariff(rule);
  if (sameAs === undefined || rule.free) {
    if (Object.keys(own).length === 0) {
      throw new RangeError(`${origin} sets no price; give it an amount, sameAs, or free: true.`);
    }
    return { origin, matches, at: () => own };
  }
  const slash = sameAs.indexOf("/");
  const listed = slash < 0 ? undefined : listedPrice(sameAs.slice(0, slash), sameAs.slice(slash + 1));
  if (listed === undefined) {
    throw new RangeError(`${origin}: sameAs "${sameAs}" is not in the price list; name a model as provider/model.`);
  }
  let base: Tariff | undefined;
  let both = own;
  return {
    origin,
    matches,
    at(unixMillis) {
      const current = listed.at(unixMillis);
      if (current !== base) {
        base = current;
        const tokens = { ...base.tokens, ...own.tokens };
        both = { ...base, ...own, ...(Object.keys(tokens).length > 0 && { tokens }) };
      }
      return both;
    },
  };
}

/** What the rule itself sets. Free is a price of nothing per request, so that it is told from no price. */
function ownTariff(rule: PriceRule): Tariff {
  const amount = <K extends string>(key: K, usd: number | undefined, unit: bigint) => {
    if (usd === undefined) return undefined;
    try {
      return { [key]: rate(usd, unit) } as { [k in K]: Rate };
    } catch {
      throw new RangeError(`${rule.origin}: ${usd} is no price; give an amount in USD that is not negative.`);
    }
  };
  if (rule.free) return { perRequest: rate(0, per.one) };
  const perToken = <K extends keyof TokenRates>(kind: K, usd: number | undefined) => {
    const base = amount("base", usd, per.million);
    return base && { [kind]: { ...base, steps: [] } };
  };
  const tokens: TokenRates = {
    ...perToken("input", rule.inputPerMillion),
    ...perToken("output", rule.outputPerMillion),
    ...perToken("cachedInput", rule.cachedInputPerMillion),
    ...perToken("cacheWrite", rule.cacheWritePerMillion),
  };
  return {
    ...(Object.keys(tokens).length > 0 && { tokens }),
    ...amount("perCharacter", rule.perMillionCharacters, per.million),
    ...amount("perImage", rule.perImage, per.one),
    ...amount("perAudio", rule.perAudioMinute, per.minute),
    ...amount("perTime", rule.perHour, per.hour),
  };
}

/** A test for an exact name or a pattern in which `*` stands for any text. Linear in the name, however hostile. */
function pattern(source: string): (name: string) => boolean {
  const [head = "", ...rest] = source.split("*");
  const tail = rest.pop();
  if (tail === undefined) return (name) => name === source;
  return (name) => {
    if (name.length < head.length + tail.length || !name.startsWith(head) || !name.endsWith(tail)) return false;
    const end = name.length - tail.length;
    let from = head.length;
    for (const piece of rest) {
      const found = name.indexOf(piece, from);
      if (found < 0 || found + piece.length > end) return false;
      from = found + piece.length;
    }
    return true;
  };
}
