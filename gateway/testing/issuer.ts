// An issuer of tokens for tests: its keys on a real address, and tokens signed as a test wants them, well or badly.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** Those of value `undefined` are left out. */
type Claims = Readonly<Record<string, unknown>>;

export interface Issuer extends AsyncDisposable {
  /** Where its keys are. */
  readonly url: string;
  /** How often they were fetched. */
  readonly fetches: number;
  /** Answers in place of the keys, from now on; none: the keys again. */
  answers(how: ((req: IncomingMessage, res: ServerResponse) => void) | undefined): void;
  /** Makes another key, published from now on in place of the ones before where `alone`. */
  rotate(kid: string, alone?: boolean): Promise<void>;
  /** A token signed by the newest key, which it names unless it is to name none. */
  token(claims?: Claims, header?: { readonly kid?: string } | "no kid"): Promise<string>;
  /** The newest public key. */
  readonly publicKey: JWK;
}

/** Starts it. */
export async function issuer(alg: "RS256" | "ES256" = "ES256"): Promise<Issuer> {
  const keys: { readonly kid: string; readonly privateKey: CryptoKey; readonly jwk: JWK }[] = [];
  let fetches = 0;
  let other: ((req: IncomingMessage, res: ServerResponse) => void) | undefined;
  const server = createServer((req, res) => {
    fetches += 1;
    if (other) other(req, res);
    else res.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const newest = () => {
    const last = keys.at(-1);
    if (last === undefined) throw new Error("there is no key");
    return last;
  };
  const self: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get fetches() {
      return fetches;
    },
    answers(how) {
      other = how;
    },
    async rotate(kid, alone = false) {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      if (alone) keys.length = 0;
      keys.push({ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } });
    },
    token: (claims = {}, header = {}) =>
      new SignJWT({ iss: "issuer", aud: "tollgate", sub: "ada", exp: soon(), ...claims })
        .setProtectedHeader({ alg, ...(header !== "no kid" && { kid: newest().kid, ...header }) })
        .sign(newest().privateKey),
    get publicKey() {
      return newest().jwk;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await self.rotate("first");
  return self;
}

/** Unix seconds in an hour. */
export const soon = (): number => Math.floor(Date.now() / 1000) + 3_600;

/** A token signed by a secret. */
export const secretToken = (secret: string | Uint8Array, claims: Claims = {}, alg = "HS256"): Promise<string> =>
  new SignJWT({ sub: "ada", exp: soon(), ...claims })
    .setProtectedHeader({ alg })
    .sign(typeof secret === "string" ? Buffer.from(secret) : secret);
