// The shape of limits of callers, budgets and Redis in a configuration file.
import * as z from "zod";
import { secretSource } from "./secret.ts";
import { decimal, duration, flag, pattern, says, text, whole } from "./values.ts";

const group = says("must be a group of keys, indented below it");
const most = 1_000_000_000_000;

const limit = (what: string) => whole(1, most).optional().describe(what);

const limits = {
  requestsPerMinute: limit("Requests in any sixty seconds."),
  requestsPerDay: limit("Requests in a day, UTC."),
  tokensPerMinute: limit("Input and output tokens in any sixty seconds."),
  tokensPerDay: limit("Input and output tokens in a day, UTC."),
  concurrent: limit("Requests and streams that are open at a time."),
};

/** Of one caller. */
export const limitsSchema = z.strictObject(limits, group);

export const rateLimitsSchema = z.strictObject(
  {
    default: limitsSchema
      .prefault({})
      .describe(
        "Of each key that does not say otherwise, of each user without a key, of all anonymous callers together.",
      ),
    perUser: limitsSchema.prefault({}).describe("Of each user, over all of the user's keys."),
    perModel: z
      .array(
        z.strictObject(
          { model: pattern().describe("A model, or a pattern with `*` whose models share the limit."), ...limits },
          says("must be a model with its limits"),
        ),
        says("must be a list of models with their limits"),
      )
      .prefault([])
      .describe("Of a model over all callers; the first that matches counts."),
    total: limitsSchema.prefault({}).describe("Of all callers together."),
    outputTokens: whole(0, 10_000_000)
      .prefault(1_000)
      .describe("What a request that sets no maximum is taken to be answered with until it is known, tokens."),
    expire: duration()
      .prefault("1h")
      .describe(
        "A reservation of which nothing more was heard counts as used after this time; longer than any request.",
      ),
  },
  group,
);

const periods = ["day", "week", "month", "total"] as const;
const scopes = ["key", "user", "team"] as const;

/** How much, and in which period. */
const budgetTerms = {
  period: z
    .enum(periods, says(`must be one of ${periods.join(", ")}`))
    .describe("Calendar day, week from Monday, or month, in UTC; or total, which never ends."),
  usd: decimal(0, 9_000_000).describe("The money, USD."),
  softRatio: decimal(0, 1).prefault(0.8).describe("Share from which on gateway_budget_soft_usd is passed, 0 to 1."),
  hard: flag()
    .prefault(true)
    .describe("Refuses what does not fit, and models without a known price; false only tells of it."),
};

/** A budget that a key carries itself. */
export const ownBudgetSchema = z.strictObject(budgetTerms, says("must be a budget with period and usd"));

export const budgetSchema = z.strictObject(
  {
    scope: z.enum(scopes, says(`must be one of ${scopes.join(", ")}`)).describe("Whose money it is."),
    name: text('must be the name of a key, user or team, or "*" for each of them')
      .prefault("*")
      .describe(
        "A key's id or label, a user, a team; `*` for each that no other budget of this scope and period names.",
      ),
    ...budgetTerms,
  },
  says("must be a budget with scope, period and usd"),
);

const choices = ["allow", "refuse"] as const;

export const redisSchema = z.strictObject(
  {
    url: secretSource()
      .optional()
      .describe(
        "redis://… or rediss://…, with password and database where needed; one that persists and evicts nothing. REDIS_URL overrides it.",
      ),
    onFailure: z
      .enum(choices, says(`must be one of ${choices.join(", ")}`))
      .prefault("allow")
      .describe(
        "Of limits and budgets, without Redis: allow requests and count them when it is back, or refuse callers that have limits.",
      ),
  },
  group,
);
