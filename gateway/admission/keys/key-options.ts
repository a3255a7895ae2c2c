// The options that say what a key is to be: one body, as the admin API takes it, of what `create` and `change` are given.
import type { Key } from "../identity.ts";
import type { KeyChange, NewKey } from "./keys.ts";
import { readChange, readNewKey } from "./wanted.ts";

const one = { type: "string" } as const;
const many = { type: "string", multiple: true } as const;

export const keyOptions = {
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
  "system-prompt": one,
  "system-prompt-file": one,
  "system-prompt-mode": one,
} as const;

const flag = { type: "boolean" } as const;

/** What takes away, of a key that is there. */
export const withoutOptions = {
  "no-user": flag,
  "no-team": flag,
  "no-expires": flag,
  "no-models": flag,
  "no-grant": flag,
  "no-limits": flag,
  "no-requests-per-minute": flag,
  "no-requests-per-day": flag,
  "no-tokens-per-minute": flag,
  "no-tokens-per-day": flag,
  "no-concurrent": flag,
  "no-budget": flag,
  "no-priority": flag,
  "no-system-prompt": flag,
} as const;

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
  "system-prompt": "systemPrompt.text",
  "system-prompt-mode": "systemPrompt.mode",
};

export type Fault = { readonly fault: string };
export type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
/** The text of a file; throws like readFileSync. */
export type ReadFile = (path: string) => string;

/** What a change makes of a key as it stands there. Throws a NoPrompt. */
export type ChangeOf = (key: Key) => KeyChange;

/** A prompt cannot be put elsewhere where there is none. */
export class NoPrompt extends Error {
  constructor(label: string) {
    super(`The key '${label}' has no system prompt; give one with --system-prompt.`);
    this.name = "NoPrompt";
  }
}

/** `now` in Unix milliseconds, as below. */
export function newKeyOf(values: Values, read: ReadFile, now: number): { readonly wanted: NewKey } | Fault {
  const said = body(values, read);
  if ("fault" in said) return said;
  if (values["system-prompt-mode"] !== undefined && !hasPrompt(values))
    return { fault: "--system-prompt-mode goes with --system-prompt or --system-prompt-file" };
  const wanted = readNewKey(said.given, now);
  return "wanted" in wanted ? wanted : { fault: `${optionOf(wanted.fault.member, values)} ${wanted.fault.message}` };
}

/** What is not named stays, limit by limit and budget by budget. */
export function changeOf(values: Values, read: ReadFile, now: number): { readonly changeOf: ChangeOf } | Fault {
  const without = Object.keys(withoutOptions).filter((name) => values[name] === true);
  for (const name of without) {
    const given = name.slice("no-".length);
    const also = values[given] !== undefined ? given : given === "system-prompt" ? promptOption(values) : undefined;
    if (name !== "no-budget" && also !== undefined) return { fault: `--${name} and --${also} exclude each other` };
  }
  const said = body(values, read);
  if ("fault" in said) return said;
  const none = new Set(without.map((name) => members[name.slice("no-".length)] ?? name));
  for (const member of ["user", "team", "expiresAt", "models"]) if (none.has(member)) said.given[member] = null;
  if (none.has("grants")) said.given.grants = [];
  if (none.has("priority")) said.given.priority = 0;
  if (none.has("systemPrompt.text")) said.given.systemPrompt = null;
  const wanted = readChange(said.given, now);
  if ("fault" in wanted) return { fault: `${optionOf(wanted.fault.member, values)} ${wanted.fault.message}` };
  const { limits, budgets, systemPrompt, ...rest } = wanted.change;
  return {
    changeOf: (key) => ({
      ...rest,
      limits: Object.fromEntries(
        Object.entries({ ...(none.has("no-limits") ? {} : key.limits), ...limits }).filter(
          ([name]) => !none.has(`limits.${name}`),
        ),
      ),
      budgets: mergedBudgets(none.has("budgets") ? [] : key.budgets, budgets ?? []),
      ...("systemPrompt" in wanted.change && { systemPrompt: systemPrompt && prompt(key, values, systemPrompt) }),
    }),
  };
}

/** One of a period takes the amount's place; how it counts stays. */
const mergedBudgets = (before: Key["budgets"], given: Key["budgets"]): Key["budgets"] => [
  ...before.map((one) => ({ ...one, usd: given.find(({ period }) => period === one.period)?.usd ?? one.usd })),
  ...given.filter(({ period }) => !before.some((one) => one.period === period)),
];

type Prompt = NonNullable<Key["systemPrompt"]>;

function prompt(key: Key, values: Values, given: Prompt): Prompt {
  const { systemPrompt: before } = key;
  if (!hasPrompt(values) && before === undefined) throw new NoPrompt(key.label);
  return {
    mode: values["system-prompt-mode"] === undefined ? (before?.mode ?? given.mode) : given.mode,
    text: hasPrompt(values) ? given.text : (before?.text ?? given.text),
  };
}

const promptOption = (values: Values): string | undefined =>
  ["system-prompt", "system-prompt-file", "system-prompt-mode"].find((name) => values[name] !== undefined);
const hasPrompt = (values: Values): boolean =>
  values["system-prompt"] !== undefined || values["system-prompt-file"] !== undefined;

const budgetForm = /^\$?(\d{1,9}(?:\.\d{1,9})?)\/([a-z]+)$/i;

/** The body that the options stand for. */
function body(values: Values, read: ReadFile): { readonly given: Record<string, unknown> } | Fault {
  const given: Record<string, unknown> = {};
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [option, member] of Object.entries(members)) {
    const value = values[option];
    if (value === undefined) continue;
    const [group = "", within] = member.split(".");
    if (within === undefined) given[member] = value;
    else groups[group] = { ...groups[group], [within]: value };
  }
  const limits = Object.entries(groups.limits ?? {}).map(([name, value]) => [name, wholeNumber(value)]);
  given.limits = Object.fromEntries(limits);
  if (Array.isArray(values.models)) given.models = listed(values.models);
  if (Array.isArray(values.grant)) given.grants = listed(values.grant);
  if (values.priority !== undefined) given.priority = wholeNumber(values.priority);
  if (Array.isArray(values.budget)) {
    const budgets = listed(values.budget).map((text) => budgetForm.exec(text));
    if (budgets.includes(null))
      return {
        fault:
          "--budget must be an amount in USD and a period, such as 10/month; the periods are day, week, month and total",
      };
    given.budgets = budgets.map((found) => ({ usd: Number(found?.[1]), period: found?.[2]?.toLowerCase() }));
  }
  const file = values["system-prompt-file"];
  if (typeof file === "string") {
    if (values["system-prompt"] !== undefined)
      return { fault: "--system-prompt and --system-prompt-file exclude each other" };
    try {
      groups.systemPrompt = { ...groups.systemPrompt, text: read(file).trimEnd() };
    } catch {
      return { fault: `--system-prompt-file: ${file} cannot be read; check its name, and who may read it` };
    }
  }
  // A mode alone is checked beside a text that stands for the one that the key has.
  if (groups.systemPrompt !== undefined) given.systemPrompt = { text: "-", ...groups.systemPrompt };
  return { given };
}

/** What is no whole number stays as it is, for the check to refuse. */
const wholeNumber = (text: unknown) => (typeof text === "string" && /^-?\d+$/.test(text) ? Number(text) : text);

const listed = (values: readonly string[]): string[] =>
  values.flatMap((value) => value.split(",")).map((part) => part.trim());

function optionOf(member: string, values: Values): string {
  const found = Object.entries(members).find(([, known]) => member === known || member.startsWith(`${known}[`))?.[0];
  const name = found === "system-prompt" && values["system-prompt-file"] !== undefined ? "system-prompt-file" : found;
  return `--${name ?? member}`;
}
