// Signed tokens (JWT, RFC 7519): checks them against the sources that the operator trusts, and says whom they name.
import { createSecretKey, hash, type KeyObject } from "node:crypto";
import {
  type CryptoKey,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { JwtSource } from "../config/config.ts";
import { GatewayError } from "../errors.ts";
import type { Identity } from "./identity.ts";
import { JwtKeys } from "./jwt-keys.ts";

export interface Tokens {
  /** Whether any source is configured. */
  readonly any: boolean;
  /**
   * Whom a token names. Throws, or rejects with, a GatewayError: `invalid_token`, or `issuer_away` where its issuer's
   * keys cannot be had. A Promise only where the token was not seen lately.
   */
  verify(token: string): Identity | Promise<Identity>;
}

export interface TokensOptions {
  readonly sources: readonly JwtSource[];
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Longer tokens are refused unread: no issuer's are, and to hash and decode them is work that anyone could cause. */
const maxLength = 8 * 1024;
/** A token that was good is believed so long without another look, but never past its own end. */
const believedMillis = 60_000;
const maxRemembered = 10_000;

/** No issuer has more keys in use at a time, and each costs a check that anyone could cause. */
const mostCandidates = 10;

interface Checker {
  readonly source: JwtSource;
  readonly key: KeyObject | JwtKeys;
}

interface Known {
  readonly identity: Identity;
  /** Unix milliseconds. */
  readonly until: number;
}

/** Whether a credential has a token's form: three parts, of which the first is a JSON object in base64url. */
export function looksLikeToken(credential: string): boolean {
  if (!credential.startsWith("ey")) return false;
  const first = credential.indexOf(".");
  const second = credential.indexOf(".", first + 1);
  return first > 0 && second > first + 1 && !credential.includes(".", second + 1);
}

/** Checks tokens of these sources. */
export function tokens({ sources, now }: TokensOptions): Tokens {
  const checkers = sources.map(
    (source): Checker => ({
      source,
      key: "secret" in source ? createSecretKey(source.secret, "utf8") : new JwtKeys({ url: source.jwksUrl, now }),
    }),
  );
  /** By hash, so that no token lies about in memory; oldest first. */
  const remembered = new Map<string, Known>();

  const remember = (digest: string, identity: Identity, { exp }: JWTPayload) => {
    const until = Math.min(now() + believedMillis, (exp ?? 0) * 1000);
    if (remembered.size >= maxRemembered) {
      const [oldest] = remembered.keys();
      if (oldest !== undefined) remembered.delete(oldest);
    }
    remembered.set(digest, { identity, until });
  };

  const check = async (token: string, digest: string): Promise<Identity> => {
    let refusal: GatewayError | undefined;
    for (const checker of checkersFor(token, checkers)) {
      try {
        const payload = await verified(token, checker, now());
        const identity = identityOf(payload, checker.source);
        remember(digest, identity, payload);
        return identity;
      } catch (error) {
        const known = error instanceof GatewayError ? error : refusalOf(error);
        // That an issuer could not be asked says more than that another one does not know the token.
        if (refusal === undefined || known.kind === "issuer_away") refusal = known;
      }
    }
    throw refusal ?? new GatewayError("invalid_token", "This bearer token is of no issuer and algorithm known here.");
  };

  return {
    any: checkers.length > 0,
    verify(token) {
      if (token.length > maxLength) throw new GatewayError("invalid_token", "This bearer token is too long.");
      const digest = hash("sha256", token, "base64");
      const known = remembered.get(digest);
      if (known === undefined) return check(token, digest);
      if (now() < known.until) return known.identity;
      remembered.delete(digest);
      return check(token, digest);
    },
  };
}

/** The sources that a token can be of, by what it says of itself: its algorithm is the source's, never its own choice. */
function checkersFor(token: string, checkers: readonly Checker[]): readonly Checker[] {
  try {
    const { alg = "" } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    return checkers.filter(
      ({ source: { algorithms, issuer } }) =>
        algorithms.some((one) => one === alg) && (issuer === undefined || issuer === iss),
    );
  } catch {
    return [];
  }
}

async function verified(token: string, { source, key }: Checker, now: number): Promise<JWTPayload> {
  const options = {
    algorithms: [...source.algorithms],
    clockTolerance: source.clockTolerance,
    currentDate: new Date(now),
    // A token that never ends could never be taken back.
    requiredClaims: ["exp"],
    ...(source.issuer !== undefined && { issuer: source.issuer }),
    ...(source.audience.length > 0 && { audience: [...source.audience] }),
  };
  if (!(key instanceof JwtKeys)) return (await jwtVerify(token, key, options)).payload;
  try {
    const find = (header: JWSHeaderParameters, input: FlattenedJWSInput) => key.find(header, input);
    return (await jwtVerify(token, find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    return verifiedByOne(token, error, options);
  }
}

/** Of the keys that a token without `kid` can be of, the one that it is of, among the first ten. */
async function verifiedByOne(
  token: string,
  candidates: AsyncIterable<CryptoKey>,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  let left = mostCandidates;
  for await (const candidate of candidates) {
    if (left-- === 0) break;
    try {
      return (await jwtVerify(token, candidate, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new GatewayError("invalid_token");
}

function identityOf(payload: JWTPayload, { claims, grants }: JwtSource): Identity {
  const user = word(payload[claims.user]);
  if (user === undefined) throw new GatewayError("invalid_token", `This bearer token has no claim '${claims.user}'.`);
  const team = claims.team === undefined ? undefined : word(payload[claims.team]);
  return Object.freeze({ auth: "jwt", user, ...(team !== undefined && { team }), grants, priority: 0 });
}

/** A claim that names someone; services of old number their users. */
function word(claim: unknown): string | undefined {
  const text = typeof claim === "number" && Number.isSafeInteger(claim) ? String(claim) : claim;
  return typeof text === "string" && text !== "" && text.length <= 256 ? text : undefined;
}

/** What a client may know of why its token is refused; each is told only after the signature was found good. */
function refusalOf(error: unknown): GatewayError {
  if (error instanceof errors.JWTExpired) return new GatewayError("invalid_token", "This bearer token has expired.");
  if (error instanceof errors.JWTClaimValidationFailed && ["aud", "iss", "nbf", "exp"].includes(error.claim)) {
    return new GatewayError("invalid_token", `This bearer token's '${error.claim}' claim is not accepted here.`);
  }
  return new GatewayError("invalid_token");
}
