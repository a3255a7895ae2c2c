// The shape of what a key says of its holder: the same words in a file, in the admin API and on the command line.
import * as z from "zod";
import type { Grant } from "../admission/identity.ts";
import { parseExpiry } from "../admission/keys/expiry.ts";
import { limitsSchema, ownBudgetSchema } from "./allowance-schema.ts";
import { resemblesSecret } from "./problem.ts";
import { systemPromptSchema } from "./route-schema.ts";
import { secretSource } from "./secret.ts";
import { pattern, says } from "./values.ts";

const words: Readonly<Record<Grant, true>> = {
  files: true,
  uploads: true,
  batches: true,
  fine_tuning: true,
  stored_responses: true,
  vector_stores: true,
  realtime: true,
  other: true,
};
const grants = Object.keys(words) as Grant[];

export const grantsSchema = () =>
  z.array(z.enum(grants, says(`must be one of ${grants.join(", ")}`)), says("must be a list of grants"));

/** A label is shown in metrics and logs, and stands for its key on the command line: what could be an id is none. */
export function labelSchema() {
  const must =
    'must be a name for the key: letters, digits, spaces and "._@:/+-", at most 63, beginning and ending with a letter or digit';
  return z
    .string(says(must))
    .regex(/^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} ._@:/+-]{0,61}[\p{L}\p{M}\p{N}])?$|\$\{/u, must)
    .refine((label) => !label.includes("${"), must)
    .refine((label) => !/^key_/i.test(label), 'begins like the id of a key; begin it with something else than "key_"')
    .refine((label) => !resemblesSecret(label) && !/^tg-/i.test(label), "looks like a secret; a label is for everyone");
}

const person = (what: string) => {
  const must = `must be the name of a ${what}, at most 200 characters on one line`;
  return z.string(says(must)).regex(/^[^\s\p{C}](?:[^\p{C}]{0,198}[^\s\p{C}])?$/u, must);
};

const expirySchema = () => {
  const must =
    'must be a date such as "2027-01-31" or "2027-01-31T18:00:00Z", or a time from now such as "12h" or "30d"';
  return z.string(says(must)).refine((text) => text.includes("${") || parseExpiry(text, 0) !== undefined, must);
};

/** What a key carries besides its label. */
export const keyProperties = {
  user: person("user")
    .optional()
    .describe("Whom its requests count for: the proven user of limits, budgets and analytics."),
  team: person("team").optional().describe("The user's team."),
  expiresAt: expirySchema().optional().describe("The key is good until then; a date alone means its beginning, UTC."),
  models: z
    .array(pattern(), says("must be a list of models"))
    .min(1, "is an empty list; name models, or leave it out for all")
    .optional()
    .describe("The only models it may use: exact names and patterns with `*`; all when not set."),
  grants: grantsSchema().optional().describe("What it may use besides inference."),
  limits: limitsSchema.optional().describe("In place of rateLimits.default, limit by limit."),
  budgets: z
    .array(ownBudgetSchema, says("must be a list of budgets"))
    .refine(
      (all) => new Set(all.map(({ period }) => period)).size === all.length,
      "has two budgets for one period; keep one",
    )
    .optional()
    .describe("Beside those of `budgets` at the top."),
  priority: z
    .int(says("must be a whole number from -100 to 100"))
    .min(-100, "must be a whole number from -100 to 100")
    .max(100, "must be a whole number from -100 to 100")
    .optional()
    .describe("In the queue of a busy backend a higher one goes first; 0 when not set."),
  systemPrompt: systemPromptSchema.describe("Put into every chat and response under this key, before the route's."),
};

export type KeyProperties = z.output<z.ZodObject<typeof keyProperties>>;

/** A key that the configuration file declares. */
export const declaredKeySchema = z.strictObject(
  {
    label: labelSchema().describe("Its name in metrics, logs and lists; each key has another."),
    key: secretSource().describe("Its secret: tg- and at least 32 more characters, e.g. from tollgate keys create."),
    ...keyProperties,
  },
  says("must be a key with label and key"),
);
