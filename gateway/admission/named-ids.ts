// The ids of kept things that a request names: in its path, and in the members of its JSON that are for them.
import type { Receiver } from "../receivers/receiver.ts";

/** What a path says of ids. */
export type PathIds =
  | { readonly kind: "ids"; readonly ids: readonly string[] }
  /** All of a kind at once, whosever they are. */
  | { readonly kind: "list" }
  /** A path that nobody knows: any of these may be an id. */
  | { readonly kind: "unknown"; readonly words: readonly string[] };

const none: PathIds = { kind: "ids", ids: [] };
const list: PathIds = { kind: "list" };

/** The ids in a path (without query) that this receiver takes. Only for endpoints that need a grant. */
export function idsInPath({ operation, path: template }: Receiver, method: string, path: string): PathIds {
  const words = wordsOf(path);
  // A model's name is mostly no such id, but that of one that was tuned is, and those alone can be deleted.
  if (operation === "models") return { kind: "unknown", words: [words.slice(2).join("/")] };
  if (template === "/v1/*") return { kind: "unknown", words: words.slice(1) };
  const places = template.slice(1).split("/");
  const ids = places.flatMap((place, at) => (place.startsWith("{") || place === "*" ? [words[at] ?? ""] : []));
  if (ids.length > 0) return { kind: "ids", ids };
  return method === "POST" ? none : list;
}

/** As the table of receivers reads a path. */
function wordsOf(path: string): readonly string[] {
  let plain = path;
  try {
    plain = decodeURIComponent(path);
  } catch {
    // It is looked up as it is written, and is nobody's.
  }
  return plain.split("/").filter((word) => word !== "");
}

/** Members that hold an id, or a list of ids. */
const members: ReadonlySet<string> = new Set([
  "previous_response_id",
  "file_id",
  "file_ids",
  "input_file_id",
  "training_file",
  "validation_file",
  "vector_store_id",
  "vector_store_ids",
  "part_ids",
  "thread_id",
  "assistant_id",
]);
/** Members that hold an id of what a caller may have made, or of what the backend has made by itself, or offers to all. */
const offered: ReadonlySet<string> = new Set(["container_id", "skill_id"]);
/** Members that hold an id, a group with an `id`, or something else altogether. */
const perhaps: ReadonlyMap<string, string> = new Map([
  ["conversation", "conv_"],
  ["container", "cntr_"],
  ["video", "video_"],
]);

/** One of these stands in every text that names an id; escaped letters could spell any. */
const needles = [
  "file_id",
  "vector_store_id",
  "previous_response_id",
  "container_id",
  "skill_id",
  '"conversation"',
  '"container"',
  "\\u00",
].map((word) => Buffer.from(word));
/** Stands in every text that holds one of those; one look for all, as most texts hold none. */
const trace = /_id|"conv|"conta|\\u00/;
/** Stands in every text that names an item of a response besides. */
const itemNeedle = Buffer.from('"id"');

export interface NamedId {
  readonly id: string;
  /**
   * `kept`: the id of something that is kept, which has to be the caller's. `word`: that, or a word like any other.
   * `brought`: the id of what the request brings along, for any backend to take, as long as it is no other caller's.
   */
  readonly manner: "kept" | "word" | "brought";
}

export interface BodyReading {
  /** It is of an endpoint about kept things, where more words than the usual hold ids. */
  readonly thorough: boolean;
  /** It may name the items of stored responses. */
  readonly withItems: boolean;
}

const nothing: readonly NamedId[] = [];

/** The ids in a JSON text. */
export function idsInBody(json: Buffer, { thorough, withItems }: BodyReading): readonly NamedId[] {
  const mayName = thorough || (trace.test(json.toString("latin1")) && needles.some((needle) => json.includes(needle)));
  if (!mayName && !(withItems && json.includes(itemNeedle))) return nothing;
  const body: unknown = JSON.parse(json.toString("utf8"));
  const named = membersIn(body);
  if (withItems) named.push(...itemsIn(body));
  return named;
}

interface Part {
  readonly value: unknown;
  /** A backend has said it: what it names is told of, and not asked for. */
  readonly isSaid: boolean;
}

function membersIn(body: unknown): NamedId[] {
  const found: NamedId[] = [];
  // No recursion: a text may be nested deeper than a stack is.
  const open: Part[] = [{ value: body, isSaid: false }];
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    const { value } = part;
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) {
      for (const entry of value) if (typeof entry === "object") open.push({ value: entry, isSaid: part.isSaid });
      continue;
    }
    const { type, id } = recordIn(value);
    const isSaid = part.isSaid || (typeof type === "string" && type.endsWith("_call"));
    const manner = isSaid ? "brought" : "kept";
    // The source of an evaluation.
    if (type === "file_id") add(found, id, manner);
    for (const [name, held] of Object.entries(value)) {
      // What stands in there is the client's own affair.
      if (name === "metadata") continue;
      if (members.has(name)) add(found, held, manner);
      if (offered.has(name)) add(found, held, isSaid ? manner : "word");
      const prefix = perhaps.get(name);
      if (prefix !== undefined)
        add(found, typeof held === "object" && held && "id" in held ? held.id : held, manner, prefix);
      if (typeof held === "object") open.push({ value: held, isSaid: isSaid || name === "annotations" });
    }
  }
  return found;
}

function add(found: NamedId[], held: unknown, manner: NamedId["manner"], prefix = ""): void {
  for (const id of Array.isArray(held) ? held : [held]) {
    if (typeof id === "string" && id.startsWith(prefix)) found.push({ id, manner });
  }
}

/**
 * The items of a response's input, or a conversation's, that have an id. What is nothing but an id, whether it says that
 * it is an `item_reference` or not, stands for what is kept. What has words of its own stands for itself, whatever id
 * its backend gave it: some give the same to many. Of the rest a backend may look up what they leave out.
 */
function itemsIn(body: unknown): readonly NamedId[] {
  const { input, items } = recordIn(body);
  return [input, items].flatMap((list) => (Array.isArray(list) ? list : [list])).flatMap(namedBy);
}

function namedBy(item: unknown): readonly NamedId[] {
  const { id, type, role } = recordIn(item);
  if (typeof id !== "string") return nothing;
  const isReference = type === "item_reference" || ((type === undefined || type === null) && role === undefined);
  if (isReference) return [{ id, manner: "kept" }];
  return (words.get(type ?? "message") ?? []).some((name) => isFilled(item, name))
    ? nothing
    : [{ id, manner: "brought" }];
}

/**
 * Members that hold what an item of a type says; a summary of a thought is not the thought. Of types that are not here a
 * backend may look up what they stand for, whatever else they hold.
 */
const words: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["message", ["content"]],
  ["reasoning", ["content", "encrypted_content"]],
  ["compaction", ["encrypted_content"]],
  ["function_call", ["arguments"]],
  ["function_call_output", ["output"]],
  ["custom_tool_call", ["input"]],
  ["custom_tool_call_output", ["output"]],
  ["local_shell_call_output", ["output"]],
  ["mcp_call", ["arguments"]],
  ["mcp_approval_request", ["arguments"]],
]);

function isFilled(item: unknown, name: string): boolean {
  const held = recordIn(item)[name];
  return Array.isArray(held) ? held.some(saysSomething) : typeof held === "string" && held !== "";
}

/** A part of a content that is more than its type. */
const saysSomething = (part: unknown): boolean =>
  Object.entries(recordIn(part)).some(
    ([name, held]) => name !== "type" && held !== undefined && held !== null && held !== "",
  );

const recordIn = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
