// Finds the receiver for a request: one lookup for fixed paths, a walk by segments for the rest.
import { audio } from "./audio.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { images } from "./images.ts";
import { management, other } from "./management.ts";
import { moderations } from "./moderations.ts";
import type { Receiver } from "./receiver.ts";
import { responses } from "./responses.ts";

/** All receivers; `other`, the last, takes every path. */
export const receivers: readonly Receiver[] = [
  chat,
  completions,
  ...responses,
  embeddings,
  moderations,
  ...images,
  ...audio,
  ...management,
  other,
];

export interface Match {
  readonly receiver: Receiver;
}

type Matches = Map<string, Match>;

interface Segment {
  readonly next: Map<string, Segment>;
  /** Under `{…}`. */
  any?: Segment;
  /** Receivers by method of a path that ends here. */
  readonly here: Matches;
  /** Of any path that goes on from here. */
  readonly rest: Matches;
}

const segment = (): Segment => ({ next: new Map(), here: new Map(), rest: new Map() });
const root = segment();
const fixed = new Map<string, Matches>();
const unknown: Match = { receiver: other };

for (const receiver of receivers) {
  const match: Match = { receiver };
  let at = root;
  for (const name of receiver.path.slice(1).split("/")) {
    if (name === "*") break;
    const next: Segment = (name.startsWith("{") ? at.any : at.next.get(name)) ?? segment();
    if (name.startsWith("{")) at.any = next;
    else at.next.set(name, next);
    at = next;
  }
  const matches = receiver.path.endsWith("/*") ? at.rest : at.here;
  for (const method of receiver.methods) if (!matches.has(method)) matches.set(method, match);
  // A model's id may hold slashes: `org/model`.
  if (receiver.path === "/v1/models/{id}")
    root.next.get("v1")?.next.get("models")?.rest.set("GET", match).set("DELETE", match);
  if (!receiver.path.includes("{") && !receiver.path.endsWith("*")) fixed.set(receiver.path, matches);
}

/**
 * The receiver for a method and a URL path (without query, beginning with `/v1/`). Where the path is known and the
 * method is not, a receiver of that path is given all the same: its `methods` tell. A path that is written in another
 * way (`/v1/chat//completions/`, `%63hat`) finds the same receiver, so that no spelling escapes the meter.
 */
export function receiverFor(method: string, path: string): Match {
  return chosen(fixed.get(path), method) ?? walked(method, path);
}

function chosen(matches: Matches | undefined, method: string): Match | undefined {
  return matches?.get(method) ?? matches?.values().next().value;
}

function walked(method: string, path: string): Match {
  const names = plain(path)
    .split("/")
    .filter((name) => name !== "");
  return chosen(matchesFor(root, names, 0), method) ?? unknown;
}

/** The most exact match: a name goes before `{…}`, and both before `*`. */
function matchesFor(at: Segment, names: readonly string[], depth: number): Matches | undefined {
  const name = names[depth];
  if (name === undefined) return at.here.size > 0 ? at.here : undefined;
  const next = at.next.get(name);
  const found =
    (next && matchesFor(next, names, depth + 1)) ?? (at.any && matchesFor(at.any, names, depth + 1)) ?? undefined;
  return found ?? (at.rest.size > 0 ? at.rest : undefined);
}

function plain(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
