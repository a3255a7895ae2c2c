// Which backend holds what a request names, and whether that is the caller's.
import { GatewayError } from "../errors.ts";
import type { Receiver } from "../receivers/receiver.ts";
import type { BoundIds, Owner } from "./bound-ids.ts";
import { idsInBody, idsInPath, type NamedId } from "./named-ids.ts";
import { grantFor, type PermitRequest } from "./permit.ts";

export interface Asked extends PermitRequest {
  /** Without query. */
  readonly path: string;
  /** The body as plain JSON text, where it was read. */
  readonly json?: Buffer | undefined;
  /** Of a session's query: a call that it joins. */
  readonly call?: string | undefined;
}

/** The backend that holds all that a request names. Throws `unknown_id` for what is another's, or nobody's. */
export function holderOf(
  asked: Asked,
  tenant: string,
  ids: BoundIds,
): string | undefined | Promise<string | undefined> {
  const named = namedIn(asked);
  if (named.length === 0) return undefined;
  const judged = new Holder(tenant);
  for (const [at, { id, manner }] of named.entries()) {
    const owner = ids.find(id);
    if (owner instanceof Promise) return lateHolder(judged, named.slice(at), owner, ids);
    judged.see(owner, manner);
  }
  return judged.backend;
}

/** How many are asked about together. */
const askedTogether = 50;

/** A few at a time, so that who names what is another's costs no more than that. */
async function lateHolder(
  judged: Holder,
  named: readonly NamedId[],
  first: Promise<Owner | undefined>,
  ids: BoundIds,
): Promise<string | undefined> {
  for (let at = 0; at < named.length; at += askedTogether) {
    const some = named.slice(at, at + askedTogether);
    const owners = await Promise.all(some.map(({ id }, i) => (at + i === 0 ? first : ids.find(id))));
    for (const [i, { manner }] of some.entries()) judged.see(owners[i], manner);
  }
  return judged.backend;
}

const none: readonly NamedId[] = [];

function namedIn({ receiver, method, path, json, call }: Asked): readonly NamedId[] {
  const grant = grantFor(receiver, method);
  const reading = { thorough: grant !== undefined, withItems: mayNameItems(receiver) };
  const inBody = json !== undefined && mayNameIds(receiver) ? idsInBody(json, reading) : none;
  if (grant === undefined && call === undefined) return inBody;
  const named: NamedId[] = [];
  const add = (all: readonly string[], manner: NamedId["manner"]) => {
    for (const id of all) named.push({ id, manner });
  };
  if (grant !== undefined) {
    const inPath = idsInPath(receiver, method, path);
    if (inPath.kind === "ids") add(inPath.ids, "kept");
    else if (inPath.kind === "unknown") add(inPath.words, "word");
    // A list's head tells how much there is of everyone's.
    else if (!isList(receiver, method)) throw new GatewayError("method_not_allowed");
  }
  if (call !== undefined) add([call], "kept");
  return [...named, ...inBody];
}

/** The one backend of all that one caller names. */
class Holder {
  readonly #tenant: string;
  backend: string | undefined;

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  see(owner: Owner | undefined, manner: NamedId["manner"]): void {
    if (owner === undefined && manner !== "kept") return;
    if (owner?.tenant !== this.#tenant) throw new GatewayError("unknown_id");
    if (manner === "brought") return;
    if (this.backend !== undefined && this.backend !== owner.backend)
      throw new GatewayError("unknown_id", "What this request names is not all at one backend.");
    this.backend = owner.backend;
  }
}

/** Embeddings, moderations and the like know nothing that is kept. */
const mayNameIds = ({ operation }: Receiver): boolean =>
  operation !== "embedding" && operation !== "moderation" && operation !== "completion" && operation !== "speech";

/** What is said about responses and conversations: conversations have no receiver of their own. */
const mayNameItems = ({ operation }: Receiver): boolean =>
  operation === "response" || operation === "stored_response" || operation === "other";

/** Whether a request is for all of a kind that is kept: every file, every batch. */
export const isList = (receiver: Receiver, method: string): boolean =>
  method === "GET" &&
  receiver.methods.includes("GET") &&
  grantFor(receiver, method) !== undefined &&
  idsInPath(receiver, method, receiver.path).kind === "list";
