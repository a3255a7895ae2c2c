// The public keys of a token issuer: fetched when they are wanted, kept, and refreshed without making anyone wait.
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type LocalJWKSet,
} from "jose";
import { GatewayError } from "../errors.ts";

export interface JwtKeysOptions {
  /** Where the issuer publishes its JSON Web Key Set (RFC 7517, §5). */
  readonly url: string;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  /** Milliseconds that one fetch may take. */
  readonly timeout?: number;
}

/** Keys older than this are fetched anew, beside the requests that go on with the old ones. */
const freshMillis = 10 * 60_000;
/** An issuer that stays away this long is believed no more: a key that it has withdrawn would still be good here. */
const staleMillis = 24 * 3_600_000;
/** Between two fetches that strangers can cause by naming keys that do not exist. */
const cooldownMillis = 30_000;
/** Between two fetches while the issuer cannot be reached. */
const retryMillis = 2_000;
/** A key set is a few KB. */
const maxBytes = 512 * 1024;

/** The keys of one issuer. */
export class JwtKeys {
  readonly #options: JwtKeysOptions;
  #keys: LocalJWKSet | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #loading: Promise<void> | undefined;

  constructor(options: JwtKeysOptions) {
    this.#options = options;
  }

  /**
   * The key that a token's header names. Rejects with jose's error where the issuer has no such key, and with a
   * GatewayError (`issuer_away`) where it cannot be asked.
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const { now } = this.#options;
    if (this.#keys === undefined || now() - this.#loadedAt > staleMillis) await this.#load(retryMillis);
    else if (now() - this.#loadedAt > freshMillis && this.#mayTry(cooldownMillis)) this.#loadAside();
    const keys = this.#keys;
    if (keys === undefined) throw new GatewayError("issuer_away");
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // The issuer may have a new one.
      if (this.#loading === undefined && !this.#mayTry(this.#failed ? retryMillis : cooldownMillis)) {
        if (this.#failed) throw new GatewayError("issuer_away");
        throw error;
      }
      await this.#load(0);
      return (this.#keys ?? keys)(header, token);
    }
  }

  #mayTry(pause: number): boolean {
    return this.#options.now() - this.#triedAt >= pause;
  }

  #loadAside(): void {
    this.#load(0).catch(() => {
      // The keys at hand stay good for a while; who needs others asks again.
    });
  }

  /** One fetch for all who wait. Rejects with `issuer_away` where it fails, or failed within `pause`. */
  async #load(pause: number): Promise<void> {
    if (this.#loading === undefined && this.#failed && !this.#mayTry(pause)) throw new GatewayError("issuer_away");
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #fetch(): Promise<void> {
    const { url, now, timeout = 5_000 } = this.#options;
    this.#triedAt = now();
    try {
      this.#keys = createLocalJWKSet(JSON.parse(await fetched(url, timeout)));
      this.#loadedAt = now();
      this.#failed = false;
    } catch {
      this.#failed = true;
      throw new GatewayError("issuer_away");
    }
  }
}

/** The text at an address. Follows no redirect: the keys are those of the address that the operator wrote. */
async function fetched(url: string, timeout: number): Promise<string> {
  const answer = await fetch(url, {
    redirect: "error",
    headers: { accept: "application/jwk-set+json, application/json" },
    signal: AbortSignal.timeout(timeout),
  });
  if (answer.status !== 200 || answer.body === null) throw new Error(`status ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body) {
    length += chunk.length;
    if (length > maxBytes) throw new Error("too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
