// The x-ratelimit-* headers as OpenAI sends them: the limit that is nearest, of requests and of tokens.
import { periodEnd, periodStart } from "./period.ts";
import type { Rule } from "./rule.ts";
import { leavesAfterSeconds } from "./window.ts";

/**
 * Flat; nothing where no such limit applies, or nobody knows what is used (`used` is empty then). Of several limits the
 * one with the least room left speaks. `reset` is the time until all of it is free again: a minute slides, so that it is
 * one minute from the end of the last request's second; days end at midnight UTC. Source: OpenAI, "Rate limits in headers".
 */
export function rateHeaders(rules: readonly Rule[], used: readonly number[], wall: number): string[] {
  const headers: string[] = [];
  for (const { counted, limit, remaining, reset } of names) {
    let nearest: Rule | undefined;
    let left = 0;
    for (let at = 0; at < rules.length; at++) {
      const rule = rules[at] as Rule;
      if (rule.counted !== counted) continue;
      const present = used[at];
      if (present === undefined) continue;
      const room = Math.max(0, rule.limit - present);
      if (nearest !== undefined && room >= left) continue;
      nearest = rule;
      left = room;
    }
    if (nearest === undefined) continue;
    headers.push(
      limit,
      String(nearest.limit),
      remaining,
      String(left),
      reset,
      left === nearest.limit ? "0s" : span(untilReset(nearest, wall)),
    );
  }
  return headers;
}

/** Written once: a name that is put together anew is hashed anew by all who look at it. */
const names = (["requests", "tokens"] as const).map((counted) => ({
  counted,
  limit: `x-ratelimit-limit-${counted}`,
  remaining: `x-ratelimit-remaining-${counted}`,
  reset: `x-ratelimit-reset-${counted}`,
}));

const untilReset = ({ period }: Rule, wall: number): number =>
  period === "minute" || period === "now"
    ? leavesAfterSeconds
    : Math.ceil((periodEnd(period, periodStart(period, wall)) - wall) / 1000);

/** Whole seconds in OpenAI's words: `1s`, `6m0s`, `23h59m0s`. */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m${seconds % 60}s`;
}
