// Keys that the configuration declares: their secrets come from where the operator keeps secrets.
import { hash } from "node:crypto";
import type { Key } from "../identity.ts";
import { secretHash } from "./secret.ts";

/** The key with the hash of its secret: the secret itself stays nowhere. */
export interface DeclaredKey {
  readonly key: Key;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** A declared key has its id from its label, so that limits, budgets and what it made outlive a new secret. */
const declaredId = (label: string): string => `key_${hash("sha256", `declared:${label}`).slice(0, 24)}`;

/** When it was made is not known: `createdAt` is 0. */
export const declaredKey = (said: Omit<Key, "id" | "createdAt">, secret: string): DeclaredKey => ({
  key: { ...said, id: declaredId(said.label), createdAt: 0 },
  hash: secretHash(secret),
});
