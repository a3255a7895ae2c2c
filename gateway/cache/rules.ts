// Which requests may be answered from the cache: by what they ask, by what their route says, by what they wish themselves.
import type { CacheMode } from "../config/config.ts";
import { objectAt } from "../json-members.ts";
import { jsonIn, listIn, objectIn } from "../receivers/json.ts";

/**
 * | request | cached |
 * | --- | --- |
 * | `POST` chat completions, completions, responses, embeddings, moderations | as their route says |
 * | anything else: images, audio, files, stored responses, sessions | never |
 * | a route with `cache: off`, or none (a model that only a backend's list names) | never, whatever the request wishes |
 * | `cache: deterministic` | what is deterministic; the rest where it wishes `on` or `refresh` |
 * | `cache: all` | everything that is not excluded below |
 * | `x-tollgate-cache: off`, or a word that is none of the three | never |
 * | `x-tollgate-cache: on` | also what is not deterministic |
 * | `x-tollgate-cache: refresh` | as `on`, but asked anew, and the answer takes the old one's place |
 * | deterministic: chat, completion, response | `temperature` is 0, `n` and `best_of` at most 1, no web search, no audio; a `seed` does not make it so |
 * | deterministic: embedding, moderation | always |
 * | chat with `store`; a response without `store: false` (a backend stores it unless told not to) | never |
 * | `previous_response_id`, `conversation`, `background` | never: it depends on, or leaves, something at the backend |
 * | tools that the backend runs itself (anything but `function` and `custom`) | never: they look at the world, or act on it |
 * | a body with a member twice, or that is no JSON object | never: what a backend takes it for is not known |
 */
export type Wish = "on" | "off" | "refresh" | "none";

/** What a request wishes by its `x-tollgate-cache`. */
export function wishOf(header: string | readonly string[] | undefined): Wish {
  if (header === undefined) return "none";
  const word = String(header).trim().toLowerCase();
  return word === "on" || word === "refresh" ? word : "off";
}

type Family = "chat" | "completion" | "response" | "plain";

const families = new Map<string, Family>([
  ["/v1/chat/completions", "chat"],
  ["/v1/completions", "completion"],
  ["/v1/responses", "response"],
  ["/v1/embeddings", "plain"],
  ["/v1/moderations", "plain"],
]);

/** The family of an endpoint that may be cached, by its route template. */
export const familyOf = (method: string | undefined, path: string): Family | undefined =>
  method === "POST" ? families.get(path) : undefined;

/** The members of a request by name, each as it is written. */
export type Members = ReadonlyMap<string, Buffer>;

/** `undefined` for what is no object, or names a member twice. */
export function membersOf(json: Buffer): Members | undefined {
  const object = objectAt(json);
  if (object === undefined) return undefined;
  const members = new Map<string, Buffer>();
  for (const { name, start, end } of object.members) members.set(name, json.subarray(start, end));
  return members.size === object.members.length ? members : undefined;
}

/** Whether the table lets this request be looked up and kept. */
export function isCacheable(family: Family, members: Members, mode: CacheMode, wish: Wish): boolean {
  if (mode === "off" || wish === "off" || isBound(family, members)) return false;
  return mode === "all" || wish !== "none" || isDeterministic(family, members);
}

/** The answer depends on more than the request, or does more than answer. */
function isBound(family: Family, members: Members): boolean {
  if (family === "plain") return false;
  const store = valueIn(members, "store");
  if (family === "response" ? store !== false : isSet(store)) return true;
  for (const name of ["previous_response_id", "conversation", "background"])
    if (isSet(valueIn(members, name))) return true;
  return listIn(valueIn(members, "tools")).some((tool) => !ownTools.has(objectIn(tool)?.type));
}

/** Run by the client. */
const ownTools: ReadonlySet<unknown> = new Set(["function", "custom"]);

function isDeterministic(family: Family, members: Members): boolean {
  if (family === "plain") return true;
  if (valueIn(members, "temperature") !== 0) return false;
  for (const name of ["web_search_options", "audio"]) if (isSet(valueIn(members, name))) return false;
  return ["n", "best_of"].every((name) => {
    const count = valueIn(members, name);
    return count === undefined || count === null || count === 1;
  });
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false;

const valueIn = (members: Members, name: string): unknown => {
  const written = members.get(name);
  return written === undefined ? undefined : jsonIn(written.toString("utf8"));
};
