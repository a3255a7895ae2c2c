// Admission as forwarding sees it: who sends, what they may use, and which backend holds what they name.
import type { IncomingMessage } from "node:http";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Fleet, Upstream } from "../fleet.ts";
import type { Receiver } from "../receivers/receiver.ts";
import { type Witness, Witnesses } from "../witness.ts";
import type { BoundIds, Owner } from "./bound-ids.ts";
import { type Identify, identify, type KeyRing } from "./identify.ts";
import { type Identity, tenantOf } from "./identity.ts";
import { type Tokens, tokens } from "./jwt.ts";
import { madeIds } from "./made-ids.ts";
import { madeItems } from "./made-items.ts";
import { idsInBody, idsInPath, type NamedId } from "./named-ids.ts";
import { grantFor, type PermitRequest, permit } from "./permit.ts";

export interface Asked extends PermitRequest {
  /** Without query. */
  readonly path: string;
  /** The body as plain JSON text, where it was read. */
  readonly json?: Buffer | undefined;
  /** Of a session's query: a call that it joins. */
  readonly call?: string | undefined;
}

export interface Admission {
  /** Callers are asked who they are: they have keys, or tokens. Where not, everything is permitted to all. */
  readonly asks: boolean;
  /** Tokens are taken: a source of them is configured. */
  readonly withTokens: boolean;
  /** Says who sends a request: see identify.ts for who is let in. */
  readonly identify: Identify;
  /**
   * Throws a GatewayError where the caller may not do this: `grant_missing`, `model_not_allowed`, `unknown_id`. Gives
   * the name of the backend that holds what the request names; `undefined`: any. A Promise only where another machine
   * has to be asked whose something is; it rejects with such an error, or with `keys_away`.
   */
  permit(identity: Identity, asked: Asked): string | undefined | Promise<string | undefined>;
  /** The receiver in whose way the body has to be taken: read, where it may name ids. */
  bodyOf(receiver: Receiver, req: IncomingMessage): Receiver;
  /**
   * Who sees to it that what the answer says was made is the caller's; `undefined` where it makes nothing. `backend`
   * names who answers, once it does.
   */
  watch(
    identity: Identity,
    asked: Asked,
    backend: () => string | undefined,
    failed: (error: unknown) => void,
  ): Witness | undefined;
  /** Whether a model is for the caller. */
  allows(identity: Identity, model: string): boolean;
  /** Whether a backend is: strangers reach only those that take clients' own keys. */
  reaches(identity: Identity, upstream: Upstream): boolean;
}

export interface AdmissionOptions {
  readonly config: Config;
  readonly fleet: Pick<Fleet, "routeFor">;
  readonly keys: KeyRing;
  readonly ids: BoundIds;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** What the configuration before this one had, so that issuers' keys need not be fetched anew. */
  readonly previous?: TokenChecks;
}

/** Checks of tokens with the part of the configuration that they are of. */
interface TokenChecks {
  readonly sources: Config["jwt"];
  readonly tokens: Tokens;
}

/** The checks for these sources; those of before where nothing changed. */
function tokenChecks(sources: Config["jwt"], now: () => number, previous?: TokenChecks): TokenChecks {
  if (previous !== undefined && JSON.stringify(previous.sources) === JSON.stringify(sources)) return previous;
  return { sources, tokens: tokens({ sources, now }) };
}

export interface OpenAdmission extends Admission {
  readonly checks: TokenChecks;
}

/** Builds it for one configuration. Where callers have neither keys nor tokens, everything is open and nothing is bound. */
export function admission({ config, fleet, keys, ids, now, previous }: AdmissionOptions): OpenAdmission {
  const { allowAnonymous, allowClientKeys } = config;
  const checks = tokenChecks(config.jwt, now, previous);
  const asks = () => keys.any || checks.tokens.any;
  const onClientKeys = (model: string | undefined) =>
    fleet.routeFor(model)?.targets.every(({ upstream }) => !upstream.ownKey) ?? false;
  const permission = permit({ onClientKeys, allowAnonymous });
  /** Under a provider's key of their own, and on no backend of ours: what they make is between them and the provider. */
  const isStranger = ({ auth }: Identity) => auth === "passthrough" && !allowAnonymous;

  return {
    checks,
    withTokens: checks.tokens.any,
    get asks() {
      return asks();
    },
    identify: identify({ keys, tokens: checks.tokens, allowAnonymous, allowClientKeys, now }),
    permit(identity, asked) {
      if (!asks()) return undefined;
      permission.check(identity, asked);
      if (identity.key?.models !== undefined)
        for (const model of otherModels(asked)) permission.checkModel(identity, model);
      return isStranger(identity) ? undefined : holderOf(asked, tenantOf(identity), ids);
    },
    bodyOf(receiver, req) {
      if (receiver.body !== "opaque" || !asks()) return receiver;
      const grant = grantFor(receiver, req.method ?? "GET");
      const type = req.headers["content-type"] ?? "";
      if (grant === undefined || /^\s*(?:multipart\/form-data|application\/sdp)\b/i.test(type)) return receiver;
      // Of paths that nobody knows, only what says that it is JSON is read as such.
      return grant === "other" && !/\bjson\b/i.test(type) ? receiver : readWhole(receiver);
    },
    watch(identity, asked, backend, failed) {
      if (!asks() || isStranger(identity)) return undefined;
      const { receiver, method, path } = asked;
      // An answer is kept there only where the client says so.
      if (receiver.operation === "chat" && asked.json?.includes('"store"') !== true) return undefined;
      const tenant = tenantOf(identity);
      const found = (id: string, isNew: boolean): void => {
        const name = backend();
        if (name === undefined) return;
        if (isNew) ids.made(id, { tenant, backend: name });
        else ids.named(id, { tenant, backend: name });
      };
      const one = madeIds({ receiver, method, path, failed, found });
      const other = madeItems({ receiver, method, failed, found });
      return one && other ? new Witnesses(one, other) : (one ?? other);
    },
    allows: (identity, model) => !asks() || permission.allows(identity, model),
    reaches: (identity, { ownKey }) => !(asks() && isStranger(identity) && ownKey),
  };
}

/** The backend that holds all that a request names. Throws `unknown_id` for what is another's, or nobody's. */
function holderOf(asked: Asked, tenant: string, ids: BoundIds): string | undefined | Promise<string | undefined> {
  const named = namedIn(asked);
  if (named.length === 0) return undefined;
  const judged = new Holder(tenant);
  for (const [at, { id, isKnown }] of named.entries()) {
    const owner = ids.find(id);
    if (owner instanceof Promise) return lateHolder(judged, named.slice(at), owner, ids);
    judged.see(owner, isKnown);
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
    for (const [i, { isKnown }] of some.entries()) judged.see(owners[i], isKnown);
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
  const add = (all: readonly string[], isKnown: boolean) => {
    for (const id of all) named.push({ id, isKnown });
  };
  if (grant !== undefined) {
    const inPath = idsInPath(receiver, method, path);
    // A list tells of all that the gateway's callers have at the backend.
    if (inPath.kind === "list")
      throw new GatewayError(
        "grant_missing",
        "Lists show what every caller has made; ask for what is yours by its id.",
      );
    add(inPath.kind === "ids" ? inPath.ids : inPath.words, inPath.kind === "ids");
  }
  if (call !== undefined) add([call], true);
  return [...named, ...inBody];
}

/** The one backend of all that one caller names. */
class Holder {
  readonly #tenant: string;
  backend: string | undefined;

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  see(owner: Owner | undefined, isKnown: boolean): void {
    if (owner === undefined && !isKnown) return;
    if (owner?.tenant !== this.#tenant) throw new GatewayError("unknown_id");
    if (this.backend !== undefined && this.backend !== owner.backend)
      throw new GatewayError("unknown_id", "What this request names is not all at one backend.");
    this.backend = owner.backend;
  }
}

/** Models that a request names elsewhere than where it is sent by: to be read, tuned, or spoken with later. */
function otherModels({ receiver, method, path, json }: Asked): readonly string[] {
  if (receiver.path === "/v1/models/{id}") return [plain(path.slice("/v1/models/".length))];
  if (json === undefined || grantFor(receiver, method) === undefined) return [];
  const body = record(JSON.parse(json.toString("utf8")));
  return [body.model, record(body.session).model].filter((model) => typeof model === "string");
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

function plain(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Embeddings, moderations and the like know nothing that is kept. */
const mayNameIds = ({ operation }: Receiver): boolean =>
  operation !== "embedding" && operation !== "moderation" && operation !== "completion" && operation !== "speech";

/** What is said about responses and conversations: conversations have no receiver of their own. */
const mayNameItems = ({ operation }: Receiver): boolean =>
  operation === "response" || operation === "stored_response" || operation === "other";

const whole = new Map<Receiver, Receiver>();

/** The same receiver, whose body is read. */
function readWhole(receiver: Receiver): Receiver {
  const known = whole.get(receiver);
  if (known !== undefined) return known;
  const reading: Receiver = { ...receiver, body: "json" };
  whole.set(receiver, reading);
  return reading;
}
