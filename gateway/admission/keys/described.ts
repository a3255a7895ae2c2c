// A key as the admin API and `--json` show it: all that is known of it but its secret.
import type { Key } from "../identity.ts";

/** Times are RFC 3339 in UTC; `null` where nothing is said. */
export interface DescribedKey {
  readonly id: string;
  readonly label: string;
  readonly state: "active" | "expired" | "revoked";
  /** `config`: declared in the configuration file, and changed there. */
  readonly source: "created" | "config";
  readonly user: string | null;
  readonly team: string | null;
  /** `null` for a declared one. */
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  /** `null`: all. */
  readonly models: readonly string[] | null;
  readonly grants: Key["grants"];
  readonly limits: Key["limits"];
  readonly budgets: Key["budgets"];
  readonly priority: number;
  readonly systemPrompt: Key["systemPrompt"] | null;
}

/** `now` in Unix milliseconds. */
export function described(key: Key, isDeclared: boolean, now: number): DescribedKey {
  const {
    id,
    label,
    user,
    team,
    createdAt,
    expiresAt,
    revokedAt,
    models,
    grants,
    limits,
    budgets,
    priority,
    systemPrompt,
  } = key;
  return {
    id,
    label,
    state: stateOf(key, now),
    source: isDeclared ? "config" : "created",
    user: user ?? null,
    team: team ?? null,
    createdAt: isDeclared ? null : timeText(createdAt),
    expiresAt: expiresAt === undefined ? null : timeText(expiresAt),
    revokedAt: revokedAt === undefined ? null : timeText(revokedAt),
    models: models ?? null,
    grants,
    limits,
    budgets,
    priority,
    systemPrompt: systemPrompt ?? null,
  };
}

function stateOf({ expiresAt, revokedAt }: Key, now: number): DescribedKey["state"] {
  if (revokedAt !== undefined) return "revoked";
  return expiresAt !== undefined && now >= expiresAt ? "expired" : "active";
}

/** To the second. */
export const timeText = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z");
