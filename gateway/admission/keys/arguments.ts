// The command line of `tollgate keys`: what is wanted, or the one sentence about what is wrong with it.
import { parseArgs } from "node:util";
import { nearest } from "../../config/nearest.ts";
import { parseSpan } from "./expiry.ts";
import {
  type ChangeOf,
  changeOf,
  type Fault,
  keyOptions,
  newKeyOf,
  type ReadFile,
  type Values,
  withoutOptions,
} from "./key-options.ts";
import type { NewKey } from "./keys.ts";
import { readRotation } from "./wanted.ts";

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
    | { readonly action: "show" | "revoke"; readonly name: string }
    | { readonly action: "change"; readonly name: string; readonly changeOf: ChangeOf }
    | { readonly action: "rotate"; readonly name: string; readonly graceSeconds: number }
  );

const actions = ["create", "list", "show", "change", "revoke", "rotate"] as const;
type Action = (typeof actions)[number];
const spelled = "create, list, show, change, revoke";

const everywhere = {
  config: { type: "string", short: "c" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;
const ofRotate = { grace: { type: "string" } } as const;
const ofChange = { ...keyOptions, ...withoutOptions };
const options = { ...everywhere, ...ofChange, ...ofRotate };

const taken: Readonly<Record<Action, object>> = {
  create: keyOptions,
  list: {},
  show: {},
  change: ofChange,
  revoke: {},
  rotate: ofRotate,
};

/** Reads what follows `tollgate keys`. `now` in Unix milliseconds. */
export function readArguments(args: readonly string[], read: ReadFile, now: number): KeysArguments | Fault {
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
  if (name === undefined) return { fault: `say what to do with keys: ${spelled} or rotate` };
  if (action === undefined) {
    const meant = nearest(name, actions);
    return {
      fault: `keys does not know ${name}, ${meant === undefined ? `only ${spelled} and rotate` : `did you mean ${meant}`}`,
    };
  }
  if (action === "create" || action === "list") {
    if (rest.length > 0)
      return { fault: `keys ${action} takes options only${action === "create" ? "; name the key with --label" : ""}` };
    return action === "list" ? { ...shared, action } : create(values, shared, read, now);
  }
  const [key, ...more] = rest;
  if (key === undefined || more.length > 0) return { fault: `keys ${action} needs one key: its id or its label` };
  if (action === "rotate") return rotate(values, shared, key);
  if (action !== "change") return { ...shared, action, name: key };
  if (![...seen].some((option) => Object.hasOwn(ofChange, option)))
    return { fault: "keys change needs something to change, such as --budget 20/month or --no-expires" };
  const change = changeOf(values, read, now);
  return "fault" in change ? change : { ...shared, action, name: key, ...change };
}

type Token = { readonly name: string; readonly rawName: string; readonly value?: string | undefined };

function optionFault({ name, rawName, value }: Token, action: Action | undefined, seen: ReadonlySet<string>) {
  if (!Object.hasOwn(options, name)) {
    const known = { ...everywhere, ...(action === undefined ? options : taken[action]) };
    const meant = nearest(name, Object.keys(known));
    return `unknown option ${rawName}${meant === undefined ? "" : `, did you mean --${meant}`}`;
  }
  const { type, ...more } = options[name as keyof typeof options];
  if (type === "boolean" && value !== undefined) return `${rawName} takes no value`;
  if (type === "string" && (value === undefined || value === "" || value.startsWith("--")))
    return `${rawName} needs a value after it`;
  if (type === "string" && seen.has(name) && !("multiple" in more)) return `${rawName} is given twice`;
  if (action === undefined || Object.hasOwn({ ...everywhere, ...taken[action] }, name)) return undefined;
  const of = Object.hasOwn(ofRotate, name)
    ? "rotate"
    : Object.hasOwn(keyOptions, name)
      ? "create and change"
      : "change";
  return `${rawName} goes with keys ${of} only`;
}

function create(values: Values, shared: Shared, read: ReadFile, now: number): KeysArguments | Fault {
  if (values.label === undefined) return { fault: "keys create needs a name for the key: --label NAME" };
  const said = newKeyOf(values, read, now);
  return "fault" in said ? said : { ...shared, action: "create", ...said };
}

function rotate({ grace }: Values, shared: Shared, name: string): KeysArguments | Fault {
  const millis = typeof grace === "string" && grace !== "0" ? parseSpan(grace) : 0;
  const read = readRotation({ graceSeconds: millis === undefined ? undefined : millis / 1_000 });
  if (millis === undefined || "fault" in read)
    return { fault: '--grace must be a time such as "30m", "12h" or "7d", at most 30d' };
  return { ...shared, action: "rotate", name, graceSeconds: read.graceSeconds };
}
