// Admission as forwarding sees it: who sends, what they may use, and which backend holds what they name.
import type { IncomingMessage } from "node:http";
import type { Config } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Fleet, Upstream } from "../fleet.ts";
import type { Receiver } from "../receivers/receiver.ts";
import { type Witness, Witnesses } from "../witness.ts";
import type { BoundIds } from "./bound-ids.ts";
import { type Asked, holderOf, isList } from "./holder.ts";
import { type Identify, identify, type KeyRing } from "./identify.ts";
import { type Identity, tenantOf } from "./identity.ts";
import { type Tokens, tokens } from "./jwt.ts";
import { madeIds } from "./made-ids.ts";
import { madeItems } from "./made-items.ts";
import { otherModels } from "./other-models.ts";
import { type Listed, ownAmong } from "./own-among.ts";
import { grantFor, permit } from "./permit.ts";
import { namesTwoModels } from "./two-models.ts";

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
  /** Whether a request is for all of a kind that the gateway's callers keep at backends, of which each may see its own. */
  listsKept(identity: Identity, receiver: Receiver, method: string): boolean;
  /** What of a backend's list is the caller's. Rejects with `keys_away` where another machine cannot be asked. */
  ownAmong<One extends Listed>(identity: Identity, backend: string, all: readonly One[]): Promise<readonly One[]>;
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
      if (identity.key?.models !== undefined) {
        if (asked.json !== undefined && namesTwoModels(asked.json))
          throw new GatewayError("invalid_member", "The body names its model more than once.", "model");
        for (const model of otherModels(asked)) permission.checkModel(identity, model);
      }
      return isStranger(identity) ? undefined : holderOf(asked, tenantOf(identity), ids);
    },
    listsKept: (identity, receiver, method) => asks() && !isStranger(identity) && isList(receiver, method),
    ownAmong: (identity, backend, all) => ownAmong({ tenant: tenantOf(identity), backend }, all, ids),
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
      if (receiver.operation === "chat" && asked.json?.includes(storeNeedle) !== true) return undefined;
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

const storeNeedle = Buffer.from('"store"');

const whole = new Map<Receiver, Receiver>();

/** The same receiver, whose body is read. */
function readWhole(receiver: Receiver): Receiver {
  const known = whole.get(receiver);
  if (known !== undefined) return known;
  const reading: Receiver = { ...receiver, body: "json" };
  whole.set(receiver, reading);
  return reading;
}
