// Where keys are kept: what every such place can do, whether several gateways share it or none.
import type { Key } from "../identity.ts";

/** A secret that opens a key; only its hash. */
export interface StoredSecret {
  /** SHA-256, hex. */
  readonly hash: string;
  /** Unix milliseconds after which it opens no more: it was replaced. Absent for the one in use. */
  readonly until?: number;
}

/** A key with the hashes of its secrets, the one in use first. */
export interface StoredKey {
  readonly key: Key;
  readonly secrets: readonly StoredSecret[];
}

interface KeyChanges {
  readonly keys: readonly StoredKey[];
  /** To be asked with the next time. */
  readonly revision: number;
}

/** Two keys that are not revoked never have the same label; capitals make no difference (of ASCII). */
export class LabelTaken extends Error {
  constructor(label: string) {
    super(`There is a key with the label '${label}' already.`);
    this.name = "LabelTaken";
  }
}

/** Every method rejects with one sentence for the operator when the place cannot be used. */
export interface KeyStore {
  /** All keys that were added or changed after a revision, by this process or another; all there are for 0. */
  changes(since: number): Promise<KeyChanges>;
  /** Rejects with LabelTaken. */
  add(stored: StoredKey): Promise<void>;
  /**
   * Changes a key as it stands there now, and nobody changes it in between. Resolves to what it became; to
   * `undefined` where there is none. Rejects with LabelTaken, and with what `change` throws: nothing is written then.
   */
  update(id: string, change: (stored: StoredKey) => StoredKey): Promise<StoredKey | undefined>;
}
