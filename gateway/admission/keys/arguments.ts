// The command line of `tollgate keys`: what is wanted, or the one sentence about what is wrong with it.
import { parseArgs } from "node:util";
import { nearest } from "../../config/nearest.ts";
import { parseSpan } from "./expiry.ts";
import type { NewKey } from "./keys.ts";
import { readNewKey, readRotation } from "./wanted.ts";

interface Shared {
  readonly config?: string;
  readonly json: boolean;
}

export type KeysArguments = Shared &
  (
    | { readonly action: "help" }
    | { readonly action: "create"; readonly wanted: NewKey }
    | { readonly action: "list" }
    /** `name`: an id, or a label. */
    | { readonly action: "revoke"; readonly name: string }
    | { readonly action: "rotate"; readonly name: string; readonly graceSeconds: number }
  );

const actions = ["create", "list", "revoke", "rotate"] as const;
type Action = (typeof actions)[number];

const one = { type: "string" } as const;
const many = { type: "string", multiple: true } as const;
const everywhere = {
  config: { type: "string", short: "c" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;
const ofCreate = {
  label: one,
  user: one,
  team: one,
  expires: one,
  models: many,
  grant: many,
  "requests-per-minute": one,
  "requests-per-day": one,
  "tokens-per-minute": one,
  "tokens-per-day": one,
  concurrent: one,
  budget: many,
  priority: one,
} as const;
const ofRotate = { grace: one } as const;
const options = { ...everywhere, ...ofCreate, ...ofRotate };

const taken: Readonly<Record<Action, object>> = { create: ofCreate, list: {}, revoke: {}, rotate: ofRotate };

/** Option → the member of a key that it says; the other way round for what is wrong with it. */
const members: Readonly<Record<string, string>> = {
  label: "label",
  user: "user",
  team: "team",
  expires: "expiresAt",
  models: "models",
  grant: "grants",
  "requests-per-minute": "limits.requestsPerMinute",
  "requests-per-day": "limits.requestsPerDay",
  "tokens-per-minute": "limits.tokensPerMinute",
  "tokens-per-day": "limits.tokensPerDay",
  concurrent: "limits.concurrent",
  budget: "budgets",
  priority: "priority",
};

const budgetForm = /^\$?(\d{1,9}(?:\.\d{1,9})?)\/([a-z]+)$/i;

type Fault = { readonly fault: string };
type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Reads what follows `tollgate keys`. `now` in Unix milliseconds. */
export function readArguments(args: readonly string[], now: number): KeysArguments | Fault {
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const [name, ...rest] = parsed.positionals;
  const action = actions.find((known) => known === name);
  const seen = new Set<string>();
  for (const token of parsed.tokens) {
    if (token.kind !== "option") continue;
    const fault = optionFault(token, action, seen);
    if (fault !== undefined) return { fault };
    seen.add(token.name);
  }
  const values = parsed.values as Values;
  const shared = { json: values.json === true, ...(typeof values.config === "string" && { config: values.config }) };
  if (values.help === true || (name === undefined && parsed.tokens.length === 0)) return { ...shared, action: "help" };
  if (name === undefined) return { fault: "say what to do with keys: create, list, revoke or rotate" };
  if (action === undefined) {
    const meant = nearest(name, actions);
    return {
      fault: `keys does not know ${name}, ${meant === undefined ? "only create, list, revoke and rotate" : `did you mean ${meant}`}`,
    };
  }
  if (action === "create" || action === "list") {
    if (rest.length > 0)
      return { fault: `keys ${action} takes options only${action === "create" ? "; name the key with --label" : ""}` };
    return action === "list" ? { ...shared, action } : create(values, shared, now);
  }
  const [key, ...more] = rest;
  if (key === undefined || more.length > 0) return { fault: `keys ${action} needs one key: its id or its label` };
  return action === "revoke" ? { ...shared, action, name: key } : rotate(values, shared, key);
}

type Token = { readonly name: string; readonly rawName: string; readonly value?: string | undefined };

function optionFault({ name, rawName, value }: Token, action: Action | undefined, seen: ReadonlySet<string>) {
  if (!Object.hasOwn(options, name)) {
    const known = { ...everywhere, ...(action === undefined ? options : taken[action]) };
    const meant = nearest(name, Object.keys(known));
    return `unknown option ${rawName}${meant === undefined ? "" : `, did you mean --${meant}`}`;
  }
  const { type, ...more } = options[name as keyof typeof options];
  if (type === "boolean") return value === undefined ? undefined : `${rawName} takes no value`;
  if (value === undefined || value === "" || value.startsWith("--")) return `${rawName} needs a value after it`;
  if (seen.has(name) && !("multiple" in more)) return `${rawName} is given twice`;
  if (action === undefined || Object.hasOwn({ ...everywhere, ...taken[action] }, name)) return undefined;
  return `${rawName} goes with keys ${Object.hasOwn(ofRotate, name) ? "rotate" : "create"} only`;
}

function create(values: Values, shared: Shared, now: number): KeysArguments | Fault {
  if (values.label === undefined) return { fault: "keys create needs a name for the key: --label NAME" };
  const given: Record<string, unknown> = {};
  const limits: Record<string, unknown> = {};
  for (const [option, member] of Object.entries(members)) {
    const value = values[option];
    if (value === undefined) continue;
    if (member.startsWith("limits.")) limits[member.slice("limits.".length)] = value;
    else given[member] = value;
  }
  given.limits = limits;
  if (Array.isArray(values.models)) given.models = listed(values.models);
  if (Array.isArray(values.grant)) given.grants = listed(values.grant);
  if (typeof values.priority === "string" && /^-?\d+$/.test(values.priority)) given.priority = Number(values.priority);
  if (Array.isArray(values.budget)) {
    const budgets = listed(values.budget).map((text) => budgetForm.exec(text));
    if (budgets.includes(null))
      return {
        fault:
          "--budget must be an amount in USD and a period, such as 10/month; the periods are day, week, month and total",
      };
    given.budgets = budgets.map((found) => ({ usd: Number(found?.[1]), period: found?.[2]?.toLowerCase() }));
  }
  const read = readNewKey(given, now);
  if ("wanted" in read) return { ...shared, action: "create", wanted: read.wanted };
  return { fault: `--${optionOf(read.fault.member)} ${read.fault.message}` };
}

function rotate({ grace }: Values, shared: Shared, name: string): KeysArguments | Fault {
  const millis = typeof grace === "string" && grace !== "0" ? parseSpan(grace) : 0;
  const read = readRotation({ graceSeconds: millis === undefined ? undefined : millis / 1_000 });
  if (millis === undefined || "fault" in read)
    return { fault: '--grace must be a time such as "30m", "12h" or "7d", at most 30d' };
  return { ...shared, action: "rotate", name, graceSeconds: read.graceSeconds };
}

const listed = (values: readonly string[]): string[] =>
  values.flatMap((value) => value.split(",")).map((part) => part.trim());

const optionOf = (member: string): string =>
  Object.entries(members).find(([, known]) => member === known || member.startsWith(`${known}[`))?.[0] ?? member;
