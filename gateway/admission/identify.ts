// Who sends a request: its key, the user whom its token names, or nobody in particular.
import type { IncomingMessage } from "node:http";
import { type FailureKind, GatewayError } from "../errors.ts";
import { credentialOf } from "./credential.ts";
import { anonymous, type Identity, type Key } from "./identity.ts";
import type { Tokens } from "./jwt.ts";
import { isMistyped } from "./keys/secret.ts";

/** The keys that callers have. */
export interface KeyRing {
  /** Whether there is any, so that callers are asked for one. */
  readonly any: boolean;
  /** The keys could not be read yet, so that one that is not found may be a good one all the same. */
  readonly unread?: boolean;
  /** The key of a secret, expired and revoked ones too. Looks it up in constant time. */
  find(secret: string): Key | undefined;
}

export interface IdentifyOptions {
  readonly keys: KeyRing;
  readonly tokens: Tokens;
  readonly allowAnonymous: boolean;
  readonly allowClientKeys: boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** A key that is known, and good no more: the record names it. */
export class KeyRefused extends GatewayError {
  readonly identity: Identity;
  constructor(kind: FailureKind, identity: Identity) {
    super(kind);
    this.identity = identity;
  }
}

const notRead = "The gateway cannot read its keys for now; its log says why.";
const mistyped = "This API key was not copied as it is: its check sum does not fit.";

/** Brings a credential that is none of ours; it is passed on where the backend takes clients' own. */
const stranger: Identity = Object.freeze({ auth: "passthrough", priority: 0 });

/**
 * Says who sends a request. Throws a GatewayError for what proves nothing, or rejects with it where a token has to be
 * checked: only then is it a Promise.
 *
 * | a request brings         | nobody has keys, no tokens | keys or tokens, allowAnonymous | keys or tokens           |
 * | ------------------------ | -------------------------- | ------------------------------ | ------------------------ |
 * | nothing                  | anonymous                  | anonymous                      | missing_key              |
 * | `tg-…`, known            | -                          | its key                        | its key                  |
 * | `tg-…`, expired, revoked | -                          | expired_key, revoked_key       | expired_key, revoked_key |
 * | `tg-…`, unknown          | invalid_key                | invalid_key                    | invalid_key              |
 * | `tg-…`, keys not read  | keys_away                  | keys_away                      | keys_away                |
 * | a token, sources set     | -                          | its user, or invalid_token     | its user, or invalid_token |
 * | anything else            | stranger                   | stranger                       | invalid_key; with allowClientKeys a stranger |
 *
 * What is said of oneself and does not hold is never passed over, even where nothing need be said: whoever sends a
 * wrong key means to be someone. A stranger is anonymous in all but one thing: the credential may go to a backend with
 * passClientKey. Where only allowClientKeys lets strangers in, such backends are all that they reach (see permit.ts).
 */
export type Identify = (req: Pick<IncomingMessage, "rawHeaders">) => Identity | Promise<Identity>;

export function identify({ keys, tokens, allowAnonymous, allowClientKeys, now }: IdentifyOptions): Identify {
  return function identify(req) {
    const credential = credentialOf(req, tokens.any);
    if (credential?.kind === "key") {
      const key = keys.find(credential.secret);
      if (key === undefined) throw notFound(credential.secret, keys);
      return holder(key, now());
    }
    if (credential?.kind === "token") return tokens.verify(credential.token);
    if (allowAnonymous || !(keys.any || tokens.any)) return credential === undefined ? anonymous : stranger;
    if (credential === undefined) throw new GatewayError("missing_key");
    if (allowClientKeys) return stranger;
    throw new GatewayError("invalid_key");
  };
}

function notFound(secret: string, { unread }: KeyRing): GatewayError {
  if (isMistyped(secret)) return new GatewayError("invalid_key", mistyped);
  return unread ? new GatewayError("keys_away", notRead) : new GatewayError("invalid_key");
}

function holder(key: Key, now: number): Identity {
  const identity: Writable<Identity> = { auth: "key", key, priority: key.priority };
  if (key.user !== undefined) identity.user = key.user;
  if (key.team !== undefined) identity.team = key.team;
  if (key.revokedAt !== undefined) throw new KeyRefused("revoked_key", identity);
  if (key.expiresAt !== undefined && now >= key.expiresAt) throw new KeyRefused("expired_key", identity);
  return identity;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };
