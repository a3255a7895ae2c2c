// What is asked of a key, checked: the body of the admin API, the options of the command and the entries of a file mean the same.
import * as z from "zod";
import { type KeyProperties, keyProperties, labelSchema } from "../../config/key-schema.ts";
import { keyPath } from "../../config/problem.ts";
import { says } from "../../config/values.ts";
import type { LimitSettings } from "../identity.ts";
import { parseExpiry } from "./expiry.ts";
import type { KeyChange, NewKey } from "./keys.ts";

/** What is wrong, with which member. */
export interface Fault {
  /** E.g. `limits.requestsPerMinute`; "" for the whole. */
  readonly member: string;
  /** Follows the member's name in a sentence, without its full stop. */
  readonly message: string;
}

const group = says("must be an object");

/** `null` says that there is none, as the API itself shows it; in a change it takes away what there was. */
const nullable = {
  ...keyProperties,
  user: keyProperties.user.nullable(),
  team: keyProperties.team.nullable(),
  expiresAt: keyProperties.expiresAt.nullable(),
  models: keyProperties.models.nullable(),
  systemPrompt: keyProperties.systemPrompt.nullable(),
};

const newKey = z.strictObject({ label: labelSchema(), ...nullable }, group);
const change = z.strictObject({ label: labelSchema().optional(), ...nullable }, group);

const longestGrace = 30 * 24 * 3600;
const graceMust = `must be a number of seconds from 0 to ${longestGrace}`;
const rotation = z.strictObject(
  { graceSeconds: z.number(says(graceMust)).min(0, graceMust).max(longestGrace, graceMust).optional() },
  group,
);

/** Reads what a new key is to be. `now` in Unix milliseconds, as below. */
export function readNewKey(given: unknown, now: number): { readonly wanted: NewKey } | { readonly fault: Fault } {
  const { data, error } = newKey.safeParse(given);
  if (data === undefined) return { fault: firstOf(error.issues) };
  const fault = expiryFault(data.expiresAt, now);
  if (fault) return { fault };
  const { label, user, team, expiresAt, models, systemPrompt, ...rest } = data;
  const said = {
    user: user ?? undefined,
    team: team ?? undefined,
    models: models ?? undefined,
    systemPrompt: systemPrompt ?? undefined,
  };
  return { wanted: { label, ...properties({ ...rest, ...said, expiresAt: expiresAt ?? undefined }, now) } };
}

/** Reads a change of a key; what it does not name stays. */
export function readChange(given: unknown, now: number): { readonly change: KeyChange } | { readonly fault: Fault } {
  const { data, error } = change.safeParse(given);
  if (data === undefined) return { fault: firstOf(error.issues) };
  const { label, user, team, expiresAt, models, systemPrompt, ...rest } = data;
  const fault = expiryFault(expiresAt, now);
  if (fault) return { fault };
  return {
    change: {
      ...stated({ label }),
      ...properties(rest, now),
      ...(user !== undefined && { user: user ?? undefined }),
      ...(team !== undefined && { team: team ?? undefined }),
      ...(models !== undefined && { models: models ?? undefined }),
      ...(systemPrompt !== undefined && { systemPrompt: systemPrompt ?? undefined }),
      ...(expiresAt !== undefined && { expiresAt: expiresAt === null ? undefined : parseExpiry(expiresAt, now) }),
    },
  };
}

/** Reads how a key is to be rotated. */
export function readRotation(given: unknown): { readonly graceSeconds: number } | { readonly fault: Fault } {
  const { data, error } = rotation.safeParse(given);
  return data === undefined ? { fault: firstOf(error.issues) } : { graceSeconds: data.graceSeconds ?? 0 };
}

/** What is said of a key, as its record holds it. */
export function properties({ expiresAt, limits, ...rest }: Partial<KeyProperties>, now: number) {
  return stated({
    ...rest,
    limits: limits && (stated(limits) as LimitSettings),
    expiresAt: expiresAt === undefined ? undefined : parseExpiry(expiresAt, now),
  });
}

function expiryFault(expiresAt: string | null | undefined, now: number): Fault | undefined {
  const at = typeof expiresAt === "string" ? parseExpiry(expiresAt, now) : undefined;
  if (at === undefined || at > now) return undefined;
  return { member: "expiresAt", message: "is in the past; give a time to come, or revoke the key" };
}

function firstOf(issues: readonly z.core.$ZodIssue[]): Fault {
  const [first] = issues;
  const path = [...(first?.path ?? [])];
  if (first?.code === "unrecognized_keys") {
    const name = first.keys[0] ?? "";
    return { member: keyPath([...path, name]), message: "is not known here" };
  }
  return { member: keyPath(path), message: first?.message ?? "is not understood" };
}

/** Absent members stay absent: an `undefined` would not be the same as none. */
const stated = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
