// A key as it was written down, read back with suspicion: someone may have edited the file.
import * as z from "zod";
import { DatabaseProblem } from "../../state/database.ts";
import type { BudgetSettings, Grant, Key, LimitSettings } from "../identity.ts";
import type { StoredKey } from "./key-store.ts";

const count = z.number().positive().optional();
const time = z.number().nonnegative();

// Words that a newer version may add are left as they are.
const limits = z.looseObject({
  requestsPerMinute: count,
  requestsPerDay: count,
  tokensPerMinute: count,
  tokensPerDay: count,
  concurrent: count,
});
const budget = z.looseObject({
  period: z.enum(["day", "week", "month", "total"]),
  usd: z.number().nonnegative(),
  softRatio: z.number(),
  hard: z.boolean(),
});
const stored = z.object({
  key: z.looseObject({
    id: z.string().min(1),
    label: z.string().min(1),
    user: z.string().optional(),
    team: z.string().optional(),
    createdAt: time,
    expiresAt: time.optional(),
    revokedAt: time.optional(),
    models: z.array(z.string()).optional(),
    grants: z.array(z.string()),
    limits,
    budgets: z.array(budget),
    priority: z.number(),
  }),
  secrets: z.array(z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/), until: time.optional() })),
});

/** The key of a document. Throws a DatabaseProblem for what is none: a key half understood might allow too much. */
export function readStored(document: unknown, file: string): StoredKey {
  let value: unknown;
  try {
    value = JSON.parse(String(document));
  } catch {
    value = undefined;
  }
  const { data } = stored.safeParse(value);
  if (data === undefined)
    throw new DatabaseProblem(
      `${file} holds a key that cannot be read, and was left as it is; restore it from a backup, or mend its table keys.`,
    );
  const { key, secrets } = data;
  return {
    key: {
      ...(key as Key),
      grants: key.grants as readonly Grant[],
      limits: key.limits as LimitSettings,
      budgets: key.budgets as readonly BudgetSettings[],
    },
    secrets: secrets.map(({ hash, until }) => ({ hash, ...(until !== undefined && { until }) })),
  };
}
