// The virtual keys as a gateway uses them: at hand in memory, kept in a store, told of when they change there.
import { timingSafeEqual } from "node:crypto";
import type { FillRandom } from "../../../instrumentation/index.ts";
import type { KeyRing } from "../identify.ts";
import type { Key } from "../identity.ts";
import type { DeclaredKey } from "./declared-key.ts";
import { AlreadyRevoked, DeclaredInConfig } from "./immutable.ts";
import { KeyAudit } from "./key-audit.ts";
import { declaredEvents, type KeyActor, type KeyEvent } from "./key-event.ts";
import { type KeyStore, LabelTaken, type StoredKey, type StoredSecret } from "./key-store.ts";
import { newKeyId, newSecret, secretHash } from "./secret.ts";

/** What whoever makes a key can say of it; grants, limits and budgets are none, and priority 0, where nothing is said. */
export type NewKey = Pick<Key, "label"> & Partial<Omit<Key, "id" | "label" | "createdAt" | "revokedAt">>;

/** Absent: stays. `undefined` takes away what a key need not have. */
export type KeyChange = { readonly [Name in keyof NewKey]?: NewKey[Name] | undefined };

interface Made {
  readonly key: Key;
  /** Shown once, and kept nowhere. */
  readonly secret: string;
}

/**
 * What changes keys rejects with what the store rejects with where that is out of reach; nothing has changed then. `by`
 * is for the audit.
 */
export interface Keys extends KeyRing {
  /**
   * True from the first key on, whatever its state, and until the process ends: a gateway that asks for keys never
   * stops to ask because the last one was revoked, ran out, or is gone.
   */
  readonly any: boolean;
  /**
   * The key of a secret, whatever its state: the caller judges. By a secret that was replaced, a key that expires when
   * that one does. From memory, hashed, compared in constant time.
   */
  find(secret: string): Key | undefined;
  /** The oldest first; declared ones before them. */
  list(): readonly Key[];
  /** Whether the configuration declares it. */
  isDeclared(id: string): boolean;
  /** Rejects with LabelTaken. */
  create(wanted: NewKey, by?: KeyActor): Promise<Made>;
  /**
   * By what a function makes of the key as it stands in the store, where one is given. Rejects with LabelTaken,
   * AlreadyRevoked, DeclaredInConfig, and with what that function throws. `undefined` where there is no such key, here
   * and below.
   */
  change(id: string, change: KeyChange | ((key: Key) => KeyChange), by?: KeyActor): Promise<Key | undefined>;
  /** For good; once revoked, it keeps its first time. Rejects with DeclaredInConfig. */
  revoke(id: string, by?: KeyActor): Promise<Key | undefined>;
  /**
   * A new secret for the same key; the old one stops at once, or after `graceSeconds`. Without grace those that were
   * still good from a rotation before stop as well. Rejects with AlreadyRevoked, DeclaredInConfig.
   */
  rotate(id: string, graceSeconds?: number, by?: KeyActor): Promise<Made | undefined>;
}

export interface OpenKeys extends Keys {
  /** Reads what has changed in the store. Rejects with what is wrong with it; the keys known so far stay. */
  refresh(): Promise<void>;
  /** Takes on the keys that a new configuration declares, in place of those before. */
  declare(declared: readonly DeclaredKey[]): void;
}

export interface KeysOptions {
  readonly store: KeyStore;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly fillRandom: FillRandom;
  readonly declared?: readonly DeclaredKey[];
  /** Callers are asked for a key although none is known. */
  readonly asks?: boolean;
  /**
   * Told why the store cannot be read now; `refresh` reads it later. Callers are asked for a key from then on. Without
   * it a store that cannot be read is an error.
   */
  readonly unread?: (error: unknown) => void;
  /** Told of each change once, whoever made it, from the first look at the store on; it may not throw. */
  readonly told?: (event: KeyEvent) => void;
}

interface Way {
  /** The hash of its secret, as bytes. */
  readonly hash: Buffer;
  readonly key: Key;
}

/** How many replaced secrets stay known, so that whoever still sends one is told that it has expired. */
const keptSecrets = 9;

/** Opens the keys of a store. Rejects where they cannot be read: who cannot tell keys apart must not let anyone in. */
export async function keys(options: KeysOptions): Promise<OpenKeys> {
  const { store, now, fillRandom, declared = [], asks = false, unread: tellUnread, told = () => {} } = options;
  const known = new Map<string, StoredKey>();
  const ways = new Map<string, Way>();
  let fromConfig: readonly DeclaredKey[] = [];
  let revision = 0;
  let any = asks;
  let unread = false;
  let hasRead = false;
  const audit = new KeyAudit(told);

  const forget = ({ key, secrets }: StoredKey) => {
    for (const { hash } of secrets) if (ways.get(hash)?.key.id === key.id) ways.delete(hash);
  };
  const open = (key: Key, { hash, until }: StoredSecret) => {
    ways.set(hash, { hash: Buffer.from(hash), key: endingAt(key, until) });
    any = true;
  };
  const keep = (stored: StoredKey) => {
    const before = known.get(stored.key.id);
    if (before !== undefined) forget(before);
    known.set(stored.key.id, stored);
    any = true;
    for (const secret of stored.secrets) open(stored.key, secret);
  };

  const declare = (next: readonly DeclaredKey[]) => {
    for (const one of fromConfig) forget(asStored(one));
    fromConfig = next;
    for (const one of next) open(one.key, one);
  };
  const isDeclared = (id: string) => fromConfig.some(({ key }) => key.id === id);
  const ownLabel = (label: string) => {
    const folded = label.toLowerCase();
    if (fromConfig.some(({ key }) => key.label.toLowerCase() === folded)) throw new LabelTaken(label);
  };

  const refresh = async () => {
    const changes = await store.changes(revision);
    revision = changes.revision;
    for (const stored of changes.keys) {
      const before = known.get(stored.key.id);
      keep(stored);
      if (hasRead) audit.seen(before, stored);
    }
    hasRead = true;
    unread = false;
  };
  const update = async (
    id: string,
    change: (stored: StoredKey) => StoredKey,
    by: KeyActor | undefined,
  ): Promise<Key | undefined> => {
    const one = fromConfig.find(({ key }) => key.id === id);
    if (one !== undefined) throw new DeclaredInConfig(one.key.label);
    const stored = await audit.ours(id, by, async () => {
      let before: StoredKey | undefined;
      const after = await store.update(id, (found) => {
        before = found;
        return change(found);
      });
      if (after === undefined) return undefined;
      keep(after);
      return { before, after };
    });
    return stored?.key;
  };
  const wholeNow = () => Math.round(now());

  try {
    await refresh();
  } catch (error) {
    if (tellUnread === undefined) throw error;
    tellUnread(error);
    unread = true;
    any = true;
  }
  declare(declared);

  return {
    get any() {
      return any;
    },
    get unread() {
      return unread;
    },
    find(secret) {
      const hash = secretHash(secret);
      // Which bucket a hash falls into tells nothing of a secret that nobody can steer the hash of; the comparison
      // that decides takes the same time wherever the two differ.
      const way = ways.get(hash);
      return way !== undefined && timingSafeEqual(Buffer.from(hash), way.hash) ? way.key : undefined;
    },
    list: () => [
      ...fromConfig.map(({ key }) => key),
      ...[...known.values()]
        .map(({ key }) => key)
        .sort((a, b) => a.createdAt - b.createdAt || (a.label < b.label ? -1 : 1)),
    ],
    isDeclared,
    async create(wanted, by) {
      ownLabel(wanted.label);
      const secret = newSecret(fillRandom);
      const bare = { grants: [], limits: {}, budgets: [], priority: 0 };
      const key: Key = { ...bare, ...wanted, id: newKeyId(fillRandom), createdAt: wholeNow() };
      const stored = { key, secrets: [{ hash: secretHash(secret) }] };
      await audit.ours(key.id, by, async () => {
        await store.add(stored);
        keep(stored);
        return { after: stored };
      });
      return { key, secret };
    },
    change: (id, change, by) =>
      update(
        id,
        ({ key, secrets }) => {
          if (key.revokedAt !== undefined) throw new AlreadyRevoked(key.label);
          const said = typeof change === "function" ? change(key) : change;
          if (said.label !== undefined) ownLabel(said.label);
          return { key: withoutAbsent({ ...key, ...said }), secrets };
        },
        by,
      ),
    revoke: (id, by) =>
      update(id, ({ key, secrets }) => ({ key: { ...key, revokedAt: key.revokedAt ?? wholeNow() }, secrets }), by),
    async rotate(id, graceSeconds = 0, by) {
      const secret = newSecret(fillRandom);
      const again = (stored: StoredKey): StoredKey => {
        if (stored.key.revokedAt !== undefined) throw new AlreadyRevoked(stored.key.label);
        const until = wholeNow() + graceSeconds * 1_000;
        const old = stored.secrets
          .map((one) => ({ hash: one.hash, until: Math.min(one.until ?? until, until) }))
          .slice(0, keptSecrets);
        return { key: stored.key, secrets: [{ hash: secretHash(secret) }, ...old] };
      };
      const key = await update(id, again, by);
      return key && { key, secret };
    },
    refresh,
    declare(next) {
      for (const event of declaredEvents(fromConfig.map(asStored), next.map(asStored))) told(event);
      declare(next);
    },
  };
}

const asStored = ({ key, hash }: DeclaredKey): StoredKey => ({ key, secrets: [{ hash }] });

/** The key as a secret that ends has it. */
const endingAt = (key: Key, until: number | undefined): Key =>
  until === undefined || (key.expiresAt ?? until) < until ? key : { ...key, expiresAt: until };

/** Absent properties stay absent: an `undefined` would not be the same as none. */
const withoutAbsent = (key: { readonly [Name in keyof Key]: Key[Name] | undefined }): Key =>
  Object.fromEntries(Object.entries(key).filter(([, value]) => value !== undefined)) as unknown as Key;
